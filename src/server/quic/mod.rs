//! QUIC: endpoints, handshakes, and the UDP sockets under them.

pub(crate) mod alive;
pub(crate) mod config;
mod congestion;
mod connection;
pub(crate) mod endpoint;
pub(crate) mod handshake;
pub(crate) mod packets;
mod paths;
pub(crate) mod qlog;
