//! What a process knows of the way and its successor does not: it would otherwise have to wait for
//! the engine, and an answer whose client is unknown is dropped.

use std::net::{IpAddr, SocketAddr};

/// The state of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The engine's time in seconds.
    pub seconds: u64,
    /// Where the others reach us.
    pub address: SocketAddr,
    /// Where we reach the others.
    pub machines: Vec<(u16, SocketAddr)>,
    /// The clients whose packets were handed over.
    pub clients: Vec<Client>,
}

/// A client that gets answers from another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    pub client: SocketAddr,
    /// The listener that it writes to.
    pub listener: SocketAddr,
    /// The address of this machine that it writes to, where the listener has several.
    pub ip: Option<IpAddr>,
}
