//! Parses the frames that h2 sends for changes of windows and streams.

use super::frame_format::{ACK, Frame, HEAD, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE, number};

/// What a frame reports.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Settings,
    Opened { stream: u32, step: u32 },
    Reset(u32),
}

/// The increment of a WINDOW_UPDATE.
const STEP: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Sent {
    /// The first bytes of a frame: its header, and an increment.
    head: [u8; HEAD + STEP],
    known: usize,
    /// Bytes left of its payload.
    left: usize,
}

impl Sent {
    pub(super) fn follow(&mut self, mut bytes: &[u8], mut said: impl FnMut(Said)) {
        while self.left < bytes.len() {
            bytes = &bytes[std::mem::take(&mut self.left)..];
            if self.known == 0
                && let Some((head, rest)) = bytes.split_first_chunk()
                && Frame::read(head).kind <= HEADERS
            {
                // A part of a response: most frames, and they report nothing.
                (self.left, bytes) = (Frame::read(head).length, rest);
                continue;
            }
            let wanted = if self.known < HEAD { HEAD } else { HEAD + STEP };
            let (part, rest) = bytes.split_at(bytes.len().min(wanted - self.known));
            self.head[self.known..][..part.len()].copy_from_slice(part);
            self.known += part.len();
            bytes = rest;
            if self.known == wanted {
                self.read().into_iter().for_each(&mut said);
            }
        }
        self.left -= bytes.len();
    }

    fn read(&mut self) -> Option<Said> {
        let (head, step) = self.head.split_first_chunk()?;
        let frame = Frame::read(head);
        let stream = frame.stream;
        if self.known > HEAD {
            self.known = 0;
            return Some(Said::Opened { stream, step: number(*step.first_chunk()?) });
        }
        if frame.kind == WINDOW_UPDATE && frame.length == STEP {
            return None;
        }
        (self.known, self.left) = (0, frame.length);
        match frame.kind {
            RST_STREAM => Some(Said::Reset(stream)),
            SETTINGS if !frame.has(ACK) => Some(Said::Settings),
            _ => None,
        }
    }

    /// Whether the last frame is complete.
    pub(super) fn is_between(&self) -> bool {
        self.known == 0 && self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_followed_however_they_are_written() {
        let bytes = b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0\0\0\x04\0\0\0\0\0\x01\0\0\0\x08\
            \0\0\x04\x08\0\0\0\0\x03\0\0\x01\0\0\0\x04\x03\0\0\0\0\x05\0\0\0\x08\
            \0\0\x04\x08\0\0\0\0\0\0\0\0\x07";
        for size in 1..bytes.len() {
            let (mut sent, mut said) = (Sent::default(), vec![]);
            bytes.chunks(size).for_each(|part| sent.follow(part, |what| said.push(what)));
            let opened = |stream, step| Said::Opened { stream, step };
            let want = [Said::Settings, opened(3, 256), Said::Reset(5), opened(0, 7)];
            assert_eq!(said, want, "by {size}");
            assert!(sent.is_between());
            sent.follow(b"\0", |_| {});
            assert!(!sent.is_between());
        }
    }
}
