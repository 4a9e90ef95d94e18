//! How much of its responses a connection may hold: bytes that the client has not acknowledged,
//! sent or not. quinn takes responses up to a window that does not follow the path; it is set here,
//! from the congestion window.

use std::cell::{Cell, RefCell};

use crate::credit::{Grant, SEND};
use crate::limits::{QUIC_SEND_WINDOW, QUIC_SEND_WINDOW_MOST, UNSENT_BYTES};

/// Congestion windows of data that a lost packet holds up: a loss is detected after a little more
/// than a round trip, and what is sent again may be lost once more. quinn keeps all that follows it
/// on its stream, acknowledged or not.
const WINDOWS: u64 = 4;
/// Bytes written before the window is set again.
const STEP: u64 = 32 * 1024;

pub(super) struct SendWindow {
    quic: quinn::Connection,
    window: Cell<u64>,
    /// For the part beyond the initial window.
    grant: RefCell<Grant>,
    /// Bytes written while a response was alone, since there was none: they may still be there.
    alone: Cell<u64>,
    /// Bytes written since the window was set.
    since: Cell<u64>,
}

impl SendWindow {
    pub(super) fn new(quic: quinn::Connection) -> Self {
        Self {
            quic,
            window: Cell::new(QUIC_SEND_WINDOW),
            grant: RefCell::new(Grant::new(&SEND)),
            alone: Cell::new(0),
            since: Cell::new(0),
        }
    }

    /// Records that QUIC has taken so many bytes.
    pub(super) fn wrote(&self, bytes: u64, is_shared: bool) {
        self.since.set(self.since.get().saturating_add(bytes));
        if !is_shared {
            let alone = self.alone.get().saturating_add(bytes);
            // It only grows in this time.
            self.alone.set(alone.min(self.window.get()));
        }
    }

    /// Follows the path. Of several responses little is held that is not in flight, so that their
    /// order can still change.
    pub(super) fn follow(&self, is_shared: bool) {
        if self.since.get() < STEP {
            return;
        }
        self.since.set(0);
        let (cwnd, window) = (self.quic.stats().path.cwnd, self.window.get());
        let wanted = match is_shared {
            // Less than QUIC holds would stop all responses.
            true => shared(cwnd).max(self.alone.get()),
            // The congestion window is small for moments, as when BBR measures the round trip.
            false => alone(cwnd).max(window),
        };
        if window.abs_diff(wanted) > window / 8 {
            self.set(wanted);
        }
    }

    /// There is no response.
    pub(super) fn rest(&self) {
        self.alone.set(0);
        self.since.set(0);
        if self.window.get() != QUIC_SEND_WINDOW {
            self.set(QUIC_SEND_WINDOW);
        }
    }

    fn set(&self, wanted: u64) {
        let mut grant = self.grant.borrow_mut();
        grant.resize(wanted.saturating_sub(QUIC_SEND_WINDOW));
        let window = wanted.min(QUIC_SEND_WINDOW + grant.bytes());
        self.window.set(window);
        self.quic.set_send_window(window);
    }
}

/// The window of several responses.
fn shared(cwnd: u64) -> u64 {
    (cwnd + u64::from(UNSENT_BYTES)).min(QUIC_SEND_WINDOW_MOST)
}

/// The window of one response: more than the congestion window can use.
fn alone(cwnd: u64) -> u64 {
    (cwnd.saturating_mul(WINDOWS) + u64::from(UNSENT_BYTES)).min(QUIC_SEND_WINDOW_MOST)
}
