//! Interim responses, which hyper does not send: the guard writes them before the response.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use http::HeaderMap;
use tokio::io::AsyncWrite;

/// The interim responses of one connection.
#[derive(Debug, Default)]
pub(super) struct Interim {
    unsent: BytesMut,
    /// hyper has not written everything: the end of the response before may be missing.
    is_behind: bool,
}

impl Interim {
    /// Adds a 103, unless the end of another response is unsent: it would come too late.
    pub(super) fn push(&mut self, fields: &HeaderMap) {
        if self.is_behind {
            return;
        }
        self.unsent.extend_from_slice(b"HTTP/1.1 103 Early Hints\r\n");
        for (name, value) in fields {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                self.unsent.extend_from_slice(part);
            }
        }
        self.unsent.extend_from_slice(b"\r\n");
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// hyper begins to write.
    pub(super) fn begun(&mut self) {
        self.is_behind = true;
    }

    /// hyper has nothing left to write.
    pub(super) fn flushed(&mut self) {
        self.is_behind = false;
    }

    pub(super) fn poll_write(
        &mut self,
        io: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.is_waiting() {
            match ready!(Pin::new(&mut *io).poll_write(cx, &self.unsent))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.unsent.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}
