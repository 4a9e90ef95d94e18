//! A loaded configuration: its listeners, each with its sites.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::settings::ListenerSettings;
use super::table::SiteTable;
use super::task::Hook;
use crate::congestion::{Congestion, TcpCongestion};
use crate::experiment::Experiment;
use crate::report::{Series, UpstreamReport};
use crate::tls::TlsListener;

/// A loaded configuration. A reload builds a new one and replaces this one as a whole.
#[derive(Default)]
pub struct Snapshot {
    pub listeners: Vec<Listener>,
    pub hooks: Vec<Hook>,
    /// The reports of the upstreams of its sites.
    pub upstreams: Vec<UpstreamReport>,
    /// The names of its sites where metrics are exported.
    pub series: Vec<Series>,
    /// Those of its sites.
    pub experiments: Vec<Arc<Experiment>>,
}

impl Snapshot {
    /// The listener that is bound to this address.
    pub fn listener(&self, addr: SocketAddr) -> Option<&Listener> {
        self.listeners.iter().find(|listener| listener.addr == addr)
    }
}

/// The sites and settings of one address.
pub struct Listener {
    pub addr: SocketAddr,
    pub tls: Option<TlsListener>,
    pub sites: SiteTable,
    /// Those of all its sites, joined.
    pub settings: ListenerSettings,
    /// HTTP/3 on the same port number.
    pub quic: bool,
    /// The congestion controller of its QUIC connections.
    pub congestion: Congestion,
    /// That of its TCP connections, where it is not the kernel's choice.
    pub tcp_congestion: Option<TcpCongestion>,
    /// The `Alt-Svc` field of responses over TCP.
    pub alt_svc: Option<HeaderValue>,
    /// Whether one of its sites has an experiment, so that connections are measured.
    pub measures: bool,
    /// The experiment, if there is only one: a handshake that fails is for no site.
    pub experiment: Option<Arc<Experiment>>,
}

impl Listener {
    /// Counts a handshake with a client whose address is proven.
    pub fn not_connected(&self, address: IpAddr) {
        self.experiment.iter().for_each(|one| one.not_connected(address));
    }

    /// The `Alt-Svc` field for a client that may remember it for so long, and a minute at least.
    pub fn alt_svc_for(&self, time: Duration) -> Option<HeaderValue> {
        let usual = self.alt_svc.as_ref()?.to_str().ok()?;
        let (offer, _) = usual.split_once(';')?;
        HeaderValue::try_from(format!("{offer}; ma={}", time.as_secs().max(60))).ok()
    }
}
