//! The counters of one upstream, as their worker writes them.

use std::sync::Arc;

use super::counter::Counter;
use super::names::Names;

pub(super) static UPSTREAMS: Names = Names::new();

/// What the requests to an upstream are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamNumber(pub(super) u32);

impl UpstreamNumber {
    /// Of the upstream with this name in the configuration.
    pub fn of(name: &Arc<str>) -> Self {
        Self(UPSTREAMS.number(name))
    }

    pub fn name(self) -> Arc<str> {
        UPSTREAMS.name(self.0).unwrap_or_default()
    }
}

/// Why a try at an upstream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamFailure {
    /// Its name could not be resolved.
    Resolve,
    /// It could not be connected to.
    Connect,
    ConnectTimeout,
    /// The TLS handshake.
    Tls,
    /// It did not respond in time.
    Timeout,
    /// The connection ended before the response.
    Closed,
    /// What came is not HTTP as the RFCs have it.
    Protocol,
    /// It refused the request without processing it.
    Refused,
}

impl UpstreamFailure {
    pub const ALL: [Self; 8] = [
        Self::Resolve,
        Self::Connect,
        Self::ConnectTimeout,
        Self::Tls,
        Self::Timeout,
        Self::Closed,
        Self::Protocol,
        Self::Refused,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::Refused => "refused",
        }
    }
}

/// The requests to an upstream.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct UpstreamTraffic {
    requests: Counter,
    retries: Counter,
    in_flight: Counter,
    reused: Counter,
    connected: Counter,
    failed: [Counter; UpstreamFailure::ALL.len()],
}

impl UpstreamTraffic {
    /// A request is tried here; `again`: it was tried before, here or elsewhere.
    pub fn begin(&self, again: bool) {
        self.requests.add(1);
        self.retries.add(again.into());
        self.in_flight.add(1);
    }

    pub fn end(&self) {
        self.in_flight.subtract(1);
    }

    /// Uses a connection that was open.
    pub fn reuse(&self) {
        self.reused.add(1);
    }

    /// A connection was opened.
    pub fn connect(&self) {
        self.connected.add(1);
    }

    pub fn fail(&self, why: UpstreamFailure) {
        self.failed[why as usize].add(1);
    }
}

/// The requests to an upstream, of all workers.
#[derive(Debug, Clone)]
pub struct UpstreamTotals {
    pub name: Arc<str>,
    /// Tries, each of which may be one of several of a request.
    pub requests: u64,
    /// Those that were not the first one of their request.
    pub retries: u64,
    /// Tries whose response has not ended.
    pub in_flight: u64,
    /// Connections that were opened.
    pub connected: u64,
    /// Tries over a connection that was open before.
    pub reused: u64,
    failed: [u64; UpstreamFailure::ALL.len()],
}

impl UpstreamTotals {
    /// None yet.
    pub fn new(name: Arc<str>) -> Self {
        let failed = [0; UpstreamFailure::ALL.len()];
        Self { name, requests: 0, retries: 0, in_flight: 0, connected: 0, reused: 0, failed }
    }

    pub(super) fn add(&mut self, more: &UpstreamTraffic) {
        self.requests += more.requests.get();
        self.retries += more.retries.get();
        self.in_flight += more.in_flight.get();
        self.connected += more.connected.get();
        self.reused += more.reused.get();
        self.failed.iter_mut().zip(&more.failed).for_each(|(sum, counted)| *sum += counted.get());
    }

    /// For all causes.
    pub fn failures(&self) -> u64 {
        self.failed.iter().sum()
    }

    pub fn failed(&self, why: UpstreamFailure) -> u64 {
        self.failed[why as usize]
    }
}
