//! The streams of a client: which it may still write to, which still get a response, and how many
//! it cancels.

use std::time::Instant;

use crate::http2_frames::{END_STREAM, Frame};
use crate::server::cancelled::Patience;

/// Most of a kind that are tracked: more than a client may have.
const STREAMS: usize = 512;

#[derive(Debug)]
pub(super) struct Streams {
    /// The last one that HEADERS has opened.
    last: u32,
    /// Those that the client has not ended.
    sending: Open,
    /// Those whose response has not ended.
    unanswered: Open,
    patience: Patience,
}

impl Streams {
    pub(super) fn new(now: Instant) -> Self {
        let (sending, unanswered) = (Open::default(), Open::default());
        Self { last: 0, sending, unanswered, patience: Patience::new(now) }
    }

    pub(super) fn last(&self) -> u32 {
        self.last
    }

    /// Whether HEADERS opens the stream; if so, it is the last one from now on.
    pub(super) fn begins(&mut self, stream: u32) -> bool {
        let begins = stream > self.last;
        self.last = self.last.max(stream);
        begins
    }

    /// The client may send content or trailers.
    pub(super) fn is_sending(&self, stream: u32) -> bool {
        self.sending.contains(stream)
    }

    /// A header section of the client.
    pub(super) fn section(&mut self, stream: u32, is_head: bool, ends: bool) {
        if is_head {
            self.unanswered.open(stream);
        }
        if ends {
            self.sending.close(stream);
        } else if is_head {
            self.sending.open(stream);
        }
    }

    /// The client has ended the stream.
    pub(super) fn ended(&mut self, stream: u32) {
        self.sending.close(stream);
    }

    /// A part of a response.
    pub(super) fn answered(&mut self, frame: Frame) {
        if frame.has(END_STREAM) {
            self.unanswered.close(frame.stream);
        }
    }

    /// The server has reset the stream.
    pub(super) fn refused(&mut self, stream: u32) {
        self.unanswered.close(stream);
    }

    /// The client resets the stream. False: it has cancelled too many requests.
    pub(super) fn reset(&mut self, stream: u32, now: Instant) -> bool {
        self.sending.close(stream);
        !self.unanswered.close(stream) || self.patience.allows(now)
    }
}

/// In order.
#[derive(Debug, Default)]
struct Open(Vec<u32>);

impl Open {
    fn open(&mut self, stream: u32) {
        if self.0.len() == STREAMS {
            self.0.remove(0);
        }
        self.0.push(stream);
    }

    /// Whether it was open.
    fn close(&mut self, stream: u32) -> bool {
        let found = self.0.binary_search(&stream);
        found.is_ok_and(|at| self.0.remove(at) == stream)
    }

    fn contains(&self, stream: u32) -> bool {
        self.0.binary_search(&stream).is_ok()
    }
}
