//! A client's connection, over TCP or QUIC.

use std::net::SocketAddr;
use std::rc::Rc;

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::context::Worker;
use super::drain::Ticket;

/// An accepted connection on its way to a protocol.
pub(crate) struct Connection {
    pub(crate) worker: Rc<Worker>,
    /// The address as bound, which names the listener in every snapshot.
    pub(crate) addr: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// The listener closes or the process drains.
    pub(crate) closing: CancellationToken,
    _slot: OwnedSemaphorePermit,
    _ticket: Ticket,
}

impl Connection {
    /// `ends` are the address as bound and the client's.
    pub(crate) fn new(
        worker: Rc<Worker>,
        ends: (SocketAddr, SocketAddr),
        closing: CancellationToken,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let ticket = worker.in_flight.enter();
        Self { worker, addr: ends.0, remote: ends.1, closing, _slot: slot, _ticket: ticket }
    }
}
