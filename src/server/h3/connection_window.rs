//! The receive window of an HTTP/3 connection. quinn sets the window of streams once for all of
//! them, so it is large; the window of the connection limits the memory. It is small until an
//! upload requires more: one that fills it and is read quickly, or one that is read so slowly that
//! it would use all of it and block the connection's other requests.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::limits::{QUIC_CONNECTION_WINDOW, QUIC_CONNECTION_WINDOW_MOST, QUIC_STREAM_WINDOW};
use crate::receive_credit::{Drain, Grant};

/// The window for other streams beside one that is not read.
const BESIDE: u32 = 256 * 1024;
/// Content that waits for this long before it is read is read slowly.
const LATE: Duration = Duration::from_millis(250);

/// Shared by the streams of a connection.
#[derive(Clone)]
pub(crate) struct ConnectionWindow(Rc<State>);

struct State {
    quic: quinn::Connection,
    window: Cell<u32>,
    /// Kept until the connection ends: credit given to a client cannot be revoked.
    grant: RefCell<Grant>,
    drain: RefCell<Drain>,
}

impl ConnectionWindow {
    pub(crate) fn new(quic: quinn::Connection) -> Self {
        Self(Rc::new(State {
            quic,
            window: Cell::new(QUIC_CONNECTION_WINDOW),
            grant: RefCell::default(),
            drain: RefCell::new(Drain::new(Instant::now())),
        }))
    }

    /// Records what was read of a stream.
    fn read(&self, bytes: usize, is_late: bool, now: Instant) {
        let State { quic, window, grant, drain } = &*self.0;
        let known = window.get();
        if known >= QUIC_CONNECTION_WINDOW_MOST {
            return;
        }
        let mut is_wanted = is_late && known < QUIC_STREAM_WINDOW + BESIDE;
        is_wanted |= drain.borrow_mut().drained(bytes as u64, known.into(), quic.rtt(), now);
        let next = next(known);
        if is_wanted && grant.borrow_mut().grow((next - known).into()) {
            window.set(next);
            quic.set_receive_window(next.into());
        }
    }

    /// Sends a packet to the client. quinn cannot send a PING on request. A larger window must be
    /// announced (MAX_DATA), and reducing it afterwards subtracts the byte from the next
    /// announcement.
    pub(crate) fn announce(&self) {
        let State { quic, window, .. } = &*self.0;
        quic.set_receive_window((window.get() + 1).into());
        quic.set_receive_window(window.get().into());
    }
}

fn next(window: u32) -> u32 {
    (window * 2).clamp(QUIC_STREAM_WINDOW + BESIDE, QUIC_CONNECTION_WINDOW_MOST)
}

/// How a stream is read.
pub(crate) struct UploadReader {
    window: ConnectionWindow,
    /// Since when its content may have been waiting.
    since: Option<Instant>,
}

impl UploadReader {
    pub(crate) fn new(window: ConnectionWindow) -> Self {
        Self { window, since: Some(Instant::now()) }
    }

    /// Nothing has arrived: the next content is read on arrival.
    pub(crate) fn waits(&mut self) {
        self.since = None;
    }

    pub(crate) fn read(&mut self, bytes: usize) {
        let now = Instant::now();
        let is_late = self.since.is_some_and(|since| now.duration_since(since) > LATE);
        self.since = Some(now);
        self.window.read(bytes, is_late, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_has_grown_holds_a_stream_and_more() {
        let first = next(QUIC_CONNECTION_WINDOW);
        assert!(first > QUIC_STREAM_WINDOW);
        let mut window = first;
        for _ in 0..8 {
            window = next(window);
        }
        assert_eq!(window, QUIC_CONNECTION_WINDOW_MOST);
    }
}
