//! One `proxy` line, ready to serve.

use std::time::Duration;

use super::address;
use super::policy::Policy;
use super::proxy_protocol::ProxyProtocol;
use super::rules::HeaderRule;
use super::tls::{ClientFiles, Settings, Trust};
use super::upstream::{Slot, Target, Upstream, Versions};
use crate::http::limits::{UPSTREAM_CONNECT, UPSTREAM_FIRST_BYTE, UPSTREAM_KEEPALIVE};

/// One `proxy` line.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) from: String,
    pub(super) except: Vec<String>,
    pub(super) hosts: Vec<Upstream>,
    pub(super) policy: Policy,
    pub(super) fail_timeout: Duration,
    pub(super) max_fails: usize,
    /// 0 is no limit.
    pub(super) max_conns: usize,
    pub(super) try_duration: Duration,
    pub(super) try_interval: Duration,
    /// Idle connections kept for each upstream and worker.
    pub(super) keepalive: usize,
    pub(super) connect_timeout: Duration,
    /// The longest silence of an upstream, before and within its answer.
    pub(super) silence: Duration,
    pub(super) without: String,
    /// An upstream that names itself is named as the client knows it.
    pub(super) rewrite_location: bool,
    pub(super) upstream_headers: Vec<HeaderRule>,
    pub(super) downstream_headers: Vec<HeaderRule>,
    /// Set when an upstream is https.
    pub(super) tls: Option<Settings>,
    /// Whether `health_check` was written.
    pub(super) health_check: bool,
    pub(super) trust: Trust,
    pub(super) tls_client: Option<ClientFiles>,
    /// What connections start with, each of which then serves one client only.
    pub(super) proxy_protocol: Option<ProxyProtocol>,
}

impl Rule {
    /// A rule without upstreams, its options as by default.
    pub(super) fn new(from: &str) -> Self {
        Self {
            from: from.to_owned(),
            except: Vec::new(),
            hosts: Vec::new(),
            policy: Policy::default(),
            fail_timeout: Duration::ZERO,
            max_fails: 1,
            max_conns: 0,
            try_duration: Duration::ZERO,
            try_interval: Duration::from_millis(250),
            keepalive: UPSTREAM_KEEPALIVE,
            connect_timeout: UPSTREAM_CONNECT,
            silence: UPSTREAM_FIRST_BYTE,
            without: String::new(),
            rewrite_location: false,
            upstream_headers: Vec::new(),
            downstream_headers: Vec::new(),
            tls: None,
            health_check: false,
            trust: Trust::default(),
            tls_client: None,
            proxy_protocol: None,
        }
    }

    /// A place on a host for one request; `None` where all are taken.
    pub(super) fn take_place(&self, host: usize) -> Option<Slot> {
        if self.max_conns == 0 && !self.policy.counts_requests() {
            return Some(Slot::default());
        }
        self.hosts[host].state.acquire(self.max_conns)
    }

    /// Reads the addresses of all upstreams.
    pub(super) fn resolve_upstreams(&mut self, to: &[String]) -> Result<(), String> {
        let client = self.tls_client.as_ref();
        let shown = client.map(ClientFiles::identity).unwrap_or_default();
        let identity = format!("{} {shown}", self.trust.identity());
        for text in to {
            self.hosts.extend(address::parse(text, &identity)?);
        }
        let https = |host: &Upstream| matches!(host.target, Target::Tcp { tls: true, .. });
        if self.hosts.iter().any(https) {
            self.tls = Some(self.trust.settings(client)?);
        }
        let shared = |host: &&Upstream| host.versions == Versions::Http2;
        match self.hosts.iter().find(shared) {
            Some(host) if self.proxy_protocol.is_some() => Err(format!(
                "upstream '{}': proxy_protocol tells of one client, and HTTP/2 connections serve many; use http or https",
                host.name
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
impl Rule {
    /// A rule for these upstreams, the rest as by default.
    pub(super) fn of(from: &str, to: &[String]) -> Self {
        let mut rule = Self::new(from);
        rule.resolve_upstreams(to).unwrap();
        rule
    }

    /// Adds an upstream under another trust.
    pub(super) fn trust_and_go(&mut self, trust: Trust, to: &str) {
        self.trust = trust;
        self.resolve_upstreams(&[to.to_owned()]).unwrap();
    }
}
