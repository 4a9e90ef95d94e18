//! Parses the frames that h2 sends for changes of windows and streams.

use crate::http2_frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, Frame, HEAD, HEADERS, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, number,
};

/// What a frame reports.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SentEvent {
    /// HEADERS or DATA.
    Response(Frame),
    Settings,
    Opened {
        stream: u32,
        step: u32,
    },
    Reset(u32),
}

/// The increment of a WINDOW_UPDATE.
const STEP: usize = 4;

#[derive(Debug, Default, Clone)]
pub(super) struct Sent {
    /// The first bytes of a frame: its header, and an increment.
    head: [u8; HEAD + STEP],
    known: usize,
    /// Bytes left of its payload.
    left: usize,
    /// A field block has begun: nothing but CONTINUATION may follow.
    in_block: bool,
}

impl Sent {
    pub(super) fn follow(&mut self, mut bytes: &[u8], mut report: impl FnMut(SentEvent)) {
        while self.left < bytes.len() {
            bytes = &bytes[std::mem::take(&mut self.left)..];
            if self.known == 0
                && let Some((head, rest)) = bytes.split_first_chunk()
                && let frame = Frame::read(head)
                && frame.kind <= HEADERS
            {
                // A part of a response, as most frames, whose heads are seldom cut.
                (self.left, bytes) = (frame.length, rest);
                report(self.response(frame));
                continue;
            }
            let wanted = if self.known < HEAD { HEAD } else { HEAD + STEP };
            let (part, rest) = bytes.split_at(bytes.len().min(wanted - self.known));
            self.head[self.known..][..part.len()].copy_from_slice(part);
            self.known += part.len();
            bytes = rest;
            if self.known == wanted {
                self.read().into_iter().for_each(&mut report);
            }
        }
        self.left -= bytes.len();
    }

    fn read(&mut self) -> Option<SentEvent> {
        let (head, step) = self.head.split_first_chunk()?;
        let frame = Frame::read(head);
        let stream = frame.stream;
        if self.known > HEAD {
            self.known = 0;
            return Some(SentEvent::Opened { stream, step: number(*step.first_chunk()?) });
        }
        if frame.kind == WINDOW_UPDATE && frame.length == STEP {
            return None;
        }
        (self.known, self.left) = (0, frame.length);
        match frame.kind {
            DATA | HEADERS => Some(self.response(frame)),
            CONTINUATION => {
                self.in_block = !frame.has(END_HEADERS);
                None
            }
            RST_STREAM => Some(SentEvent::Reset(stream)),
            SETTINGS if !frame.has(ACK) => Some(SentEvent::Settings),
            _ => None,
        }
    }

    fn response(&mut self, frame: Frame) -> SentEvent {
        self.in_block = frame.kind == HEADERS && !frame.has(END_HEADERS);
        SentEvent::Response(frame)
    }

    /// Whether another frame may follow what was sent.
    pub(super) fn is_between(&self) -> bool {
        self.known == 0 && self.left == 0 && !self.in_block
    }

    /// How many of the next bytes come before another frame may follow.
    pub(super) fn until_between(&self, bytes: &[u8]) -> usize {
        let (mut ahead, mut at) = (self.clone(), 0);
        while at < bytes.len() && (at == 0 || !ahead.is_between()) {
            let step = ahead.left.clamp(1, bytes.len() - at);
            ahead.follow(&bytes[at..at + step], |_| {});
            at += step;
        }
        at
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
            let (mut sent, mut events) = (Sent::default(), vec![]);
            bytes.chunks(size).for_each(|part| sent.follow(part, |what| events.push(what)));
            let opened = |stream, step| SentEvent::Opened { stream, step };
            let data = SentEvent::Response(Frame { length: 4, kind: DATA, flags: 0, stream: 1 });
            let want =
                [SentEvent::Settings, data, opened(3, 256), SentEvent::Reset(5), opened(0, 7)];
            assert_eq!(events, want, "by {size}");
            assert!(sent.is_between());
            sent.follow(b"\0", |_| {});
            assert!(!sent.is_between());
        }
    }

    #[test]
    fn a_field_block_is_one_piece() {
        // HEADERS without END_HEADERS, CONTINUATION with it, DATA without and with content.
        let frames: [&[u8]; 4] = [
            b"\0\0\x02\x01\0\0\0\0\x01ab",
            b"\0\0\x01\x09\x04\0\0\0\x01c",
            b"\0\0\0\0\0\0\0\0\x01",
            b"\0\0\x03\0\x01\0\0\0\x01def",
        ];
        let (all, ends) = (frames.concat(), [0, 21, 30, 42]);
        for size in [1, 2, 5, 100] {
            let (mut sent, mut at) = (Sent::default(), 0);
            for part in all.chunks(size) {
                assert_eq!(sent.is_between(), ends.contains(&at), "{at} by {size}");
                let next = ends.iter().find(|end| **end > at).unwrap() - at;
                assert_eq!(sent.until_between(&all[at..]), next, "{at} by {size}");
                sent.follow(part, |_| {});
                at += part.len();
            }
            assert!(sent.is_between());
        }
    }
}
