//! The receive window of an HTTP/3 connection. quinn sets the window of streams once for all of
//! them, so it is large. The connection's first window holds one stream that is not read at all,
//! and leaves room for the requests beside it; it grows for uploads that fill it and are read
//! quickly.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use crate::credit::{Drain, Grant};
use crate::limits::{QUIC_CONNECTION_WINDOW, QUIC_CONNECTION_WINDOW_MOST, QUIC_STREAM_WINDOW};

/// Left for other streams beside one that is not read.
const BESIDE: u32 = 256 * 1024;
const _: () = assert!(QUIC_CONNECTION_WINDOW >= QUIC_STREAM_WINDOW + BESIDE);

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

    /// Records that so many bytes were read of a stream.
    pub(crate) fn read(&self, bytes: usize) {
        let State { quic, window, grant, drain } = &*self.0;
        let known = window.get();
        if known >= QUIC_CONNECTION_WINDOW_MOST {
            return;
        }
        let is_full =
            drain.borrow_mut().drained(bytes as u64, known.into(), quic.rtt(), Instant::now());
        let next = (known * 2).min(QUIC_CONNECTION_WINDOW_MOST);
        if is_full && grant.borrow_mut().grow((next - known).into()) {
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
