//! Counts the tunnels of an HTTP/3 connection and raises its limit on streams by as many, so that
//! tunnels do not use up the streams of requests.

use std::cell::Cell;
use std::rc::Rc;

use crate::limits::{STREAMS, TUNNELS};

/// The tunnels of one connection.
pub(crate) struct Tunnels {
    quic: quinn::Connection,
    open: Cell<u32>,
}

impl Tunnels {
    pub(crate) fn new(quic: quinn::Connection) -> Rc<Self> {
        Rc::new(Self { quic, open: Cell::new(0) })
    }

    /// Counts a tunnel until the returned value is dropped.
    pub(crate) fn open(self: &Rc<Self>) -> Open {
        self.set(self.open.get() + 1);
        Open(self.clone())
    }

    fn set(&self, open: u32) {
        self.open.set(open);
        self.quic.set_max_concurrent_bi_streams((STREAMS + open.min(TUNNELS)).into());
    }
}

/// One tunnel.
pub(crate) struct Open(Rc<Tunnels>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.open.get() - 1);
    }
}
