//! The properties of a connection that the dispatcher uses.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderValue, Uri};
use tokio::time::Instant;

use super::incoming::Bounds;
use crate::http::request::Peer;
use crate::http::timeouts::Timeouts;
use crate::http::{Body, Request};
use crate::server::connection::Connection;
use crate::server::context::Worker;
use crate::server::measure::Meter;
use crate::server::tunnel::Tunnel;

/// The properties of a connection that the dispatcher uses.
pub(crate) struct ConnectionContext {
    pub(super) worker: Rc<Worker>,
    pub(super) addr: SocketAddr,
    pub(super) peer: Rc<Peer>,
    pub(super) meter: Option<Rc<Meter>>,
    timeouts: Timeouts,
}

impl ConnectionContext {
    pub(crate) fn new(connection: &Connection, peer: Rc<Peer>, timeouts: Timeouts) -> Rc<Self> {
        let (worker, meter) = (connection.worker.clone(), connection.meter.clone());
        Rc::new(Self { worker, addr: connection.addr, peer, meter, timeouts })
    }

    /// `timeouts write`, from now.
    pub(crate) fn response_deadline(&self) -> Option<Instant> {
        self.timeouts.write.map(|write| Instant::now() + write)
    }

    /// How long a response waits for the client to read.
    pub(crate) fn write_idle(&self) -> Option<Duration> {
        self.timeouts.write_idle
    }

    /// `timeouts read`, from now.
    pub(crate) fn read_deadline(&self) -> Option<Instant> {
        self.timeouts.read.map(|read| Instant::now() + read)
    }

    /// `timeouts header`, from now.
    pub(crate) fn header_deadline(&self) -> Option<Instant> {
        self.timeouts.header.map(|header| Instant::now() + header)
    }

    /// The body as received. Boxed because it is as large as the rest of a request's future.
    pub(crate) fn receive(&self, request: http::Request<Body>) -> Box<Request> {
        let (head, body) = request.into_parts();
        self.peer.values.set_awaits_upstream(false);
        Box::new(Request {
            head,
            body,
            upgrade: None,
            peer: self.peer.clone(),
            host: String::new(),
            original_uri: Uri::default(),
            user: None,
            upstream: None,
            watcher: None,
            early_hints: None,
            received: std::time::Instant::now(),
        })
    }

    /// Creates a tunnel in a stream of this connection.
    pub(crate) fn tunnel(&self, protocol: &HeaderValue) -> Rc<Tunnel> {
        Tunnel::new(protocol, &self.worker.parting)
    }

    /// The limits of a request body that starts now.
    pub(super) fn bounds(&self, bytes: Option<u64>) -> Bounds {
        Bounds { bytes, deadline: self.read_deadline(), silence: self.timeouts.silence }
    }
}
