//! One `proxy` line, ready to serve.

use std::sync::Arc;
use std::time::Duration;

use crate::directives::proxy::balance::budget::Budget;
use crate::directives::proxy::balance::discover::{Discovery, Hosts};
use crate::directives::proxy::balance::policy::Policy;
use crate::directives::proxy::balance::queue::Queue;
use crate::directives::proxy::balance::select::Selector;
use crate::http::Request;
use crate::http::paths::Prefix;
use crate::upstream::exchange::settings::Settings;
use crate::upstream::exchange::trust::{ClientFiles, Trust};
use crate::upstream::host::health::Check;
use crate::upstream::host::set::Set;
use crate::upstream::host::upstream::{Tolerance, Versions};

/// One `proxy` line.
#[derive(Debug)]
pub(super) struct Rule {
    /// The name of its site in logs.
    pub(super) site: Arc<str>,
    /// The host of its site.
    pub(super) host: String,
    /// Whether its site uses TLS.
    pub(super) secure: bool,
    pub(super) from: Prefix,
    pub(super) except: Vec<Prefix>,
    pub(super) hosts: Arc<Set>,
    /// Set for `srv://`; `hosts` is empty then.
    pub(super) discovery: Option<Arc<Discovery>>,
    pub(super) policy: Policy,
    pub(super) tolerance: Tolerance,
    /// 0: no limit.
    pub(super) max_conns: usize,
    /// `queue`.
    pub(super) queue: Option<Queue>,
    /// None: not set.
    pub(super) try_duration: Option<Duration>,
    pub(super) try_interval: Duration,
    /// The retry budget. None: there is only one upstream.
    pub(super) budget: Option<Box<Budget>>,
    /// How long a recovered host takes to get its full share.
    pub(super) slow_start: Duration,
    pub(super) check: Check,
    /// The settings of each attempt.
    pub(super) exchange: Settings,
    /// `rewrite_location`.
    pub(super) rewrite_location: bool,
    pub(super) trust: Trust,
    pub(super) tls_client: Option<ClientFiles>,
}

impl Rule {
    /// A rule without upstreams, with default options.
    pub(super) fn new(from: Prefix) -> Self {
        Self {
            site: Arc::default(),
            host: String::new(),
            secure: false,
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

    /// Whether an upstream may refuse a request after receiving a part (RFC 9113 section 8.7).
    pub(super) fn may_be_refused(&self) -> bool {
        self.exchange.tls.is_some()
            || self.hosts.iter().any(|host| host.versions != Versions::Http1)
    }

    /// Its upstreams.
    pub(super) fn upstreams(&self) -> Hosts {
        match &self.discovery {
            Some(discovery) => Hosts::Found(discovery.clone()),
            None => Hosts::Written(self.hosts.clone()),
        }
    }
}
