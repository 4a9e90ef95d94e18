//! A generation of the configuration: its listeners, each with its sites.

use std::net::SocketAddr;

use http::HeaderValue;

use super::settings::ProxyProtocol;
use super::table::SiteTable;
use super::task::Hook;
use crate::congestion::Congestion;
use crate::http::timeouts::Timeouts;
use crate::tls::TlsListener;

/// One generation of the configuration. A reload builds another and swaps it in whole.
#[derive(Default)]
pub struct Snapshot {
    pub listeners: Vec<Listener>,
    pub hooks: Vec<Hook>,
}

impl Snapshot {
    /// The listener of a local address, as it was bound.
    pub fn listener(&self, addr: SocketAddr) -> Option<&Listener> {
        self.listeners.iter().find(|listener| listener.addr == addr)
    }
}

/// What is served on one address.
pub struct Listener {
    pub addr: SocketAddr,
    pub tls: Option<TlsListener>,
    pub sites: SiteTable,
    pub timeouts: Timeouts,
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Bytes of a request's field section.
    pub header_bytes: usize,
    /// HTTP/3 on the same port number.
    pub quic: bool,
    /// The congestion controller of its QUIC connections.
    pub congestion: Congestion,
    /// The `Alt-Svc` field of responses over TCP.
    pub alt_svc: Option<HeaderValue>,
}
