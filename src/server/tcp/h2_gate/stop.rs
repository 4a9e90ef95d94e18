//! Replaces a client's bytes, and makes h2 close a connection.

use bytes::{BufMut, BytesMut};

use crate::http2_frames::{
    CONTINUATION, Frame, HEADERS, LARGEST_WINDOW, MOST, WINDOW_UPDATE, put_head,
};
use crate::server::bad_head::Refused;

/// The state between what h2 has received and the client's next bytes.
#[derive(Debug)]
pub(super) enum Stop {
    /// An incomplete frame.
    More,
    /// This many bytes are replaced.
    Replace(Box<Replacement>),
}

impl Stop {
    pub(super) fn nothing_for(bytes: usize) -> Self {
        Self::Replace(Replacement { bytes, ..Replacement::default() }.into())
    }
}

#[derive(Debug, Default)]
pub(super) struct Replacement {
    pub(super) bytes: usize,
    pub(super) by: BytesMut,
    /// A request that gets no response.
    pub(super) unanswered: Option<Refused>,
}

/// Why h2 must close the connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reason {
    Protocol,
    FlowControl,
    EnhanceYourCalm,
    FrameSize,
}

impl Reason {
    /// Frames for which h2 must close the connection.
    pub(super) fn frames(self, most: usize) -> BytesMut {
        let mut by = BytesMut::new();
        let (kind, stream) = (CONTINUATION, 1);
        let empty = Frame { length: 0, kind, flags: 0, stream };
        match self {
            Self::Protocol => put_head(&mut by, empty),
            Self::FrameSize => put_head(&mut by, Frame { length: MOST + 1, ..empty }),
            Self::FlowControl => {
                for _ in 0..2 {
                    put_head(
                        &mut by,
                        Frame { length: 4, kind: WINDOW_UPDATE, flags: 0, stream: 0 },
                    );
                    by.put_u32(LARGEST_WINDOW);
                }
            }
            Self::EnhanceYourCalm => {
                put_head(&mut by, Frame { kind: HEADERS, ..empty });
                let frames = 2 * (most / MOST) + 6;
                (0..frames).for_each(|_| put_head(&mut by, empty));
            }
        }
        by
    }
}
