//! Reads the frame headers of an upstream: what it uses of its windows, and its acknowledgement of
//! our SETTINGS.

use std::time::Instant;

use super::windows::{Excess, Windows};
use crate::http2_frames::{
    ACK, DATA, END_STREAM, Frame, HEAD, HEADERS, PADDED, RST_STREAM, SETTINGS,
};

#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// The first bytes of a frame header.
    head: [u8; HEAD],
    known: usize,
    /// Bytes left of a payload.
    left: usize,
    /// The stream whose DATA begins with the length of its padding.
    padded: Option<u32>,
}

impl Incoming {
    /// Follows `bytes`, however they are cut.
    pub(super) fn follow(
        &mut self,
        mut bytes: &[u8],
        windows: &mut Windows,
        now: Instant,
    ) -> Result<(), Excess> {
        while let Some(first) = bytes.first() {
            if self.left > 0 {
                if let Some(stream) = self.padded.take() {
                    windows.padded(stream, 1 + usize::from(*first));
                }
                let part = self.left.min(bytes.len());
                (self.left, bytes) = (self.left - part, &bytes[part..]);
                continue;
            }
            let (part, rest) = bytes.split_at(bytes.len().min(HEAD - self.known));
            self.head[self.known..][..part.len()].copy_from_slice(part);
            (self.known, bytes) = (self.known + part.len(), rest);
            if self.known == HEAD {
                self.known = 0;
                self.frame(Frame::read(&self.head), windows, now)?;
            }
        }
        Ok(())
    }

    fn frame(&mut self, frame: Frame, windows: &mut Windows, now: Instant) -> Result<(), Excess> {
        self.left = frame.length;
        match frame.kind {
            DATA => {
                windows.received(frame.stream, frame.length)?;
                self.padded = frame.has(PADDED).then_some(frame.stream).filter(|_| self.left > 0);
            }
            SETTINGS if frame.has(ACK) => windows.settled(now),
            _ => {}
        }
        let ends = matches!(frame.kind, DATA | HEADERS) && frame.has(END_STREAM);
        if ends || frame.kind == RST_STREAM {
            windows.ended(frame.stream);
        }
        Ok(())
    }
}
