//! One `proxy` line, ready to serve.

use std::sync::Arc;
use std::time::Duration;

use crate::directives::proxy::balance::budget::Budget;
use crate::directives::proxy::balance::discover::{Discovery, Finish, Hosts};
use crate::directives::proxy::balance::policy::Policy;
use crate::directives::proxy::balance::queue::Queue;
use crate::directives::proxy::config::address;
use crate::directives::proxy::config::trust::{ClientFiles, Settings, Trust};
use crate::directives::proxy::exchange::proxy_protocol::ProxyProtocol;
use crate::directives::proxy::host::health::Check;
use crate::directives::proxy::host::set::Set;
use crate::directives::proxy::host::upstream::{Slot, Target, Tolerance, Upstream, Versions};
use crate::directives::proxy::rewrite::header_rules::HeaderRule;
use crate::http::paths::Prefix;
use crate::limits::{
    UPSTREAM_BODY_IDLE, UPSTREAM_CONNECT, UPSTREAM_FIRST_BYTE, UPSTREAM_KEEPALIVE,
};

/// One `proxy` line.
#[derive(Debug)]
pub(super) struct Rule {
    /// The site it belongs to, as logs name it.
    pub(super) site: Arc<str>,
    pub(super) from: Prefix,
    pub(super) except: Vec<Prefix>,
    pub(super) hosts: Arc<Set>,
    /// Where DNS lists the upstreams; `hosts` is empty then.
    pub(super) discovery: Option<Arc<Discovery>>,
    pub(super) policy: Policy,
    pub(super) tolerance: Tolerance,
    /// 0 is no limit.
    pub(super) max_conns: usize,
    /// Where requests wait for a place.
    pub(super) queue: Option<Queue>,
    /// None: it is not written.
    pub(super) try_duration: Option<Duration>,
    pub(super) try_interval: Duration,
    /// Of requests that are sent once more. None: nowhere else to send them.
    pub(super) budget: Option<Box<Budget>>,
    /// How long a host that comes back takes to get its full share.
    pub(super) slow_start: Duration,
    pub(super) check: Check,
    /// Idle connections kept for each upstream and worker.
    pub(super) keepalive: usize,
    pub(super) connect_timeout: Duration,
    /// The longest silence of an upstream, before its answer and within it.
    pub(super) first_byte: Duration,
    pub(super) idle: Duration,
    pub(super) without: Prefix,
    /// An upstream that names itself is named as the client knows it.
    pub(super) rewrite_location: bool,
    pub(super) upstream_headers: Vec<HeaderRule>,
    pub(super) downstream_headers: Vec<HeaderRule>,
    /// Set when an upstream is https.
    pub(super) tls: Option<Settings>,
    pub(super) trust: Trust,
    pub(super) tls_client: Option<ClientFiles>,
    /// What connections start with, each of which then serves one client only.
    pub(super) proxy_protocol: Option<ProxyProtocol>,
}

/// Why upstreams cannot be used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// Which of them, and why.
    Upstream(usize, String),
    /// Certificates for all of them.
    Tls(String),
}

impl Rule {
    /// A rule without upstreams, its options as by default.
    pub(super) fn new(from: Prefix) -> Self {
        Self {
            site: Arc::default(),
            from,
            except: Vec::new(),
            hosts: Arc::default(),
            discovery: None,
            policy: Policy::default(),
            tolerance: Tolerance { fails: 1, timeout: Duration::ZERO },
            max_conns: 0,
            queue: None,
            try_duration: None,
            try_interval: Duration::from_millis(250),
            budget: None,
            slow_start: Duration::ZERO,
            check: Check::default(),
            keepalive: UPSTREAM_KEEPALIVE,
            connect_timeout: UPSTREAM_CONNECT,
            first_byte: UPSTREAM_FIRST_BYTE,
            idle: UPSTREAM_BODY_IDLE,
            without: Prefix::default(),
            rewrite_location: false,
            upstream_headers: Vec::new(),
            downstream_headers: Vec::new(),
            tls: None,
            trust: Trust::default(),
            tls_client: None,
            proxy_protocol: None,
        }
    }

    /// A place on a host for one request; `None` where all are taken.
    pub(super) fn take_place(&self, host: &Upstream) -> Option<Slot> {
        if self.max_conns == 0 && !self.policy.counts_requests() {
            return Some(Slot::default());
        }
        host.state.acquire(self.max_conns)
    }

    /// Whether an upstream may refuse a request of which it has had a part (RFC 9113 section 8.7).
    pub(super) fn may_be_refused(&self) -> bool {
        self.tls.is_some() || self.hosts.iter().any(|host| host.versions != Versions::Http1)
    }

    /// Reads the addresses of all upstreams, each with its weight, when all options are known.
    pub(super) fn resolve_upstreams(&mut self, to: &[(String, u32)]) -> Result<(), Unusable> {
        let client = self.tls_client.as_ref();
        let shown = client.map(ClientFiles::identity).unwrap_or_default();
        let identity = format!("{} {shown}", self.trust.identity());
        let finish = Finish { check: self.check.clone(), sticky: self.policy.sticky().cloned() };
        let mut hosts = self.hosts.to_vec();
        for (nth, (text, weight)) in to.iter().enumerate() {
            let unusable = |message| Unusable::Upstream(nth, message);
            if let Some((service, pattern)) = address::service(text, &identity).map_err(unusable)? {
                if to.len() > 1 {
                    let message = format!("upstream '{text}': a service has no others beside it");
                    return Err(unusable(message));
                }
                let discovery = Discovery::new(&service, pattern, identity.clone(), finish.clone());
                self.discovery = Some(Arc::new(discovery));
                continue;
            }
            for mut host in address::parse(text, &identity).map_err(unusable)? {
                if host.versions == Versions::Http2 && self.proxy_protocol.is_some() {
                    return Err(unusable(format!(
                        "upstream '{}': proxy_protocol tells of one client, and HTTP/2 \
                         connections serve many; use http or https",
                        host.name
                    )));
                }
                host.weight = *weight;
                finish.apply(&mut host);
                hosts.push(host);
            }
        }
        let https = |host: &Upstream| matches!(host.target, Target::Tcp { tls: true, .. });
        let found_https = self.discovery.as_ref().is_some_and(|d| https(d.pattern()));
        if found_https || hosts.iter().any(https) {
            self.tls = Some(self.trust.settings(client).map_err(Unusable::Tls)?);
        }
        self.hosts = Arc::new(Set::new(hosts));
        let elsewhere = self.hosts.len() > 1 || self.discovery.is_some();
        let again = elsewhere || self.try_duration.is_some_and(|limit| !limit.is_zero());
        self.budget = again.then(Box::default);
        Ok(())
    }

    /// Where its upstreams are.
    pub(super) fn upstreams(&self) -> Hosts {
        match &self.discovery {
            Some(discovery) => Hosts::Found(discovery.clone()),
            None => Hosts::Written(self.hosts.clone()),
        }
    }
}

#[cfg(test)]
impl Rule {
    /// A rule for these upstreams, the rest as by default.
    pub(super) fn of(from: &str, to: &[String]) -> Self {
        let mut rule = Self::new(Prefix::new(from));
        rule.add(to);
        rule
    }

    /// Adds an upstream under another trust.
    pub(super) fn trust_and_go(&mut self, trust: Trust, to: &str) {
        self.trust = trust;
        self.add(&[to.to_owned()]);
    }

    fn add(&mut self, to: &[String]) {
        let to: Vec<_> = to.iter().map(|text| (text.clone(), 1)).collect();
        self.resolve_upstreams(&to).unwrap();
    }
}
