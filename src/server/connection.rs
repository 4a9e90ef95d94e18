//! A client's connection over TCP or QUIC: the resources that it holds, its listener's settings,
//! and the result of its TLS handshake.

use std::net::SocketAddr;
use std::rc::Rc;

use rustls::pki_types::CertificateDer;
use rustls::{CommonState, HandshakeKind, ProtocolVersion};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::context::Worker;
use super::drain::Ticket;
use super::measure::Meter;
use crate::http::connection_values::ConnectionValues;
use crate::http::request::{Peer, TlsFacts, unmapped};
use crate::http::timeouts::Timeouts;
use crate::metrics::{Handshake, Protocol};
use crate::site::ListenerSettings;
use crate::tls::cipher_name;

/// An accepted connection. Until it is dropped, it occupies its client's place and a drain waits
/// for it.
pub(crate) struct Connection {
    pub(crate) worker: Rc<Worker>,
    /// The bound address, the key of the listener in every snapshot.
    pub(crate) addr: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// Completes when the listener closes or the process drains.
    pub(crate) closing: CancellationToken,
    /// On listeners that measure.
    pub(crate) meter: Option<Rc<Meter>>,
    _slot: OwnedSemaphorePermit,
    _ticket: Ticket,
}

/// The listener's settings for each accepted connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) timeouts: Timeouts,
    /// Most bytes of a request's header fields.
    pub(crate) header_bytes: usize,
}

impl Settings {
    fn of(set: &ListenerSettings) -> Self {
        let timeouts = set.timeouts.over_defaults();
        Self { timeouts, header_bytes: set.header_bytes() }
    }
}

impl Connection {
    pub(crate) fn new(
        worker: Rc<Worker>,
        addr: SocketAddr,
        remote: SocketAddr,
        closing: CancellationToken,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let ticket = worker.in_flight.enter();
        let remote = unmapped(remote);
        Self { worker, addr, remote, closing, meter: None, _slot: slot, _ticket: ticket }
    }

    /// Counts the connection by its protocol until the result is dropped.
    pub(crate) fn speaks(&self, protocol: Protocol) -> OpenConnection {
        let worker = self.worker.clone();
        worker.metrics.connections(protocol).open();
        OpenConnection { worker, protocol }
    }

    /// From the current snapshot; `None` if the address is no longer configured.
    pub(crate) fn settings(&self) -> Option<Settings> {
        let snapshot = self.worker.snapshot();
        let listener = snapshot.listener(self.addr)?;
        Some(Settings::of(&listener.settings))
    }

    /// The connection as requests see it. `local` is the destination address.
    pub(crate) fn peer(&self, local: SocketAddr, session: Option<TlsSession>) -> Rc<Peer> {
        Rc::new(Peer {
            remote: self.remote,
            local: unmapped(local),
            tls: session.map(TlsSession::into_facts),
            values: ConnectionValues::default(),
        })
    }
}

/// A connection whose protocol is known.
pub(crate) struct OpenConnection {
    worker: Rc<Worker>,
    protocol: Protocol,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.worker.metrics.connections(self.protocol).close();
    }
}

/// The result of a TLS handshake.
#[derive(Clone, Default)]
pub(crate) struct TlsSession {
    /// The server name of the client (SNI).
    pub(crate) server_name: Option<String>,
    /// The client's certificate chain, its own certificate first.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    is_resumed: bool,
    protocol: &'static str,
    cipher: &'static str,
}

impl TlsSession {
    pub(crate) fn of(server_name: Option<&str>, tls: &CommonState) -> Self {
        let chain = tls.peer_certificates().unwrap_or_default();
        Self {
            server_name: server_name.map(str::to_owned),
            is_resumed: tls.handshake_kind() == Some(HandshakeKind::Resumed),
            chain: chain.iter().map(|one| one.clone().into_owned()).collect(),
            protocol: match tls.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "tls1.2",
                _ => "tls1.3",
            },
            cipher: tls.negotiated_cipher_suite().map_or("", |suite| cipher_name(suite.suite())),
        }
    }

    /// How it is counted.
    pub(crate) fn handshake(&self) -> Handshake {
        Handshake::new(self.protocol == "tls1.3", self.is_resumed)
    }

    fn into_facts(self) -> TlsFacts {
        TlsFacts {
            server_name: self.server_name,
            protocol: self.protocol,
            cipher: self.cipher,
            client: self.chain.first().map(|leaf| leaf.as_ref().to_vec()),
        }
    }
}
