//! QUIC: endpoints, handshakes, and the UDP sockets under them.

pub(crate) mod alive;
pub(crate) mod config;
mod congestion;
mod connection;
pub(crate) mod endpoint;
pub(crate) mod first_windows;
pub(crate) mod handshake;
pub(crate) mod packets;
mod paths;
pub(crate) mod qlog;

use std::sync::Arc;

use first_windows::FirstWindows;
use qlog::Qlog;

/// What all QUIC endpoints of the process share.
pub(crate) struct Shared {
    /// Records some connections.
    pub(crate) qlog: Option<Qlog>,
    pub(crate) first_windows: Arc<FirstWindows>,
}
