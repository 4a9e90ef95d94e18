//! One `proxy` line, ready to serve.

use std::sync::Arc;
use std::time::Duration;

use crate::directives::proxy::balance::budget::Budget;
use crate::directives::proxy::balance::discover::{Discovery, Hosts};
use crate::directives::proxy::balance::policy::Policy;
use crate::directives::proxy::balance::queue::Queue;
use crate::directives::proxy::balance::select::Selector;
use crate::directives::proxy::exchange::settings::Settings;
use crate::directives::proxy::exchange::trust::{ClientFiles, Trust};
use crate::directives::proxy::host::health::Check;
use crate::directives::proxy::host::set::Set;
use crate::directives::proxy::host::upstream::{Tolerance, Versions};
use crate::directives::proxy::rewrite::header_rules::HeaderRule;
use crate::http::Request;
use crate::http::paths::Prefix;

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
    /// What each try goes by.
    pub(super) exchange: Settings,
    /// An upstream that names itself is named as the client knows it.
    pub(super) rewrite_location: bool,
    pub(super) downstream_headers: Vec<HeaderRule>,
    pub(super) trust: Trust,
    pub(super) tls_client: Option<ClientFiles>,
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
            exchange: Settings::default(),
            rewrite_location: false,
            downstream_headers: Vec::new(),
            trust: Trust::default(),
            tls_client: None,
        }
    }

    /// What selects an upstream for a request.
    pub(super) fn selector<'a>(&'a self, hosts: &'a Set, req: &'a Request) -> Selector<'a> {
        Selector {
            hosts,
            req,
            policy: &self.policy,
            tolerance: self.tolerance,
            max_conns: self.max_conns,
            slow_start: self.slow_start,
        }
    }

    /// Whether an upstream may refuse a request of which it has had a part (RFC 9113 section 8.7).
    pub(super) fn may_be_refused(&self) -> bool {
        self.exchange.tls.is_some()
            || self.hosts.iter().any(|host| host.versions != Versions::Http1)
    }

    /// Where its upstreams are.
    pub(super) fn upstreams(&self) -> Hosts {
        match &self.discovery {
            Some(discovery) => Hosts::Found(discovery.clone()),
            None => Hosts::Written(self.hosts.clone()),
        }
    }
}
