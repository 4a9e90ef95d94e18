//! The upstreams of a rule: those in the Caddyfile, or with `srv://NAME` those from SRV records
//! (RFC 2782), which are resolved again when their TTL ends.

use std::future::pending;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;
use tokio::time::Instant;

use super::sticky::Sticky;
use crate::limits::UPSTREAM_WEIGHT;
use crate::upstream::host::health::Check;
use crate::upstream::host::set::Set;
use crate::upstream::host::upstream::{Target, Upstream, shared_state};
use crate::upstream::{Host, Server, Service, keep_resolved};

/// The upstreams of a rule.
#[derive(Debug, Clone)]
pub(crate) enum Hosts {
    Written(Arc<Set>),
    Found(Arc<Discovery>),
}

impl Hosts {
    pub(crate) fn now(&self) -> Arc<Set> {
        match self {
            Self::Written(set) => set.clone(),
            Self::Found(discovery) => discovery.now(),
        }
    }

    /// Waits until they differ from `these`.
    pub(crate) async fn changed(&self, these: &Arc<Set>) {
        match self {
            Self::Written(_) => pending().await,
            Self::Found(discovery) => loop {
                let servers = discovery.service.servers();
                if !Arc::ptr_eq(these, &discovery.now()) {
                    return;
                }
                discovery.service.changed(&servers).await;
            },
        }
    }

    /// Whether any address comes from DNS.
    pub(crate) fn are_named(&self) -> bool {
        match self {
            Self::Written(set) => set.iter().any(|host| host.named().is_some()),
            Self::Found(_) => true,
        }
    }

    /// Keeps the records and names resolved while it is polled.
    pub(crate) async fn keep(self) {
        let names = async {
            loop {
                let these = self.now();
                let names: Vec<_> = these.iter().filter_map(Upstream::named).cloned().collect();
                tokio::select! {
                    () = async { keep_resolved(names).await; pending().await } => {}
                    () = self.changed(&these) => {}
                }
            }
        };
        match &self {
            Self::Written(_) => names.await,
            Self::Found(discovery) => {
                tokio::join!(discovery.service.keep(), names);
            }
        }
    }
}

/// A service and the upstreams for its servers.
#[derive(Debug)]
pub(crate) struct Discovery {
    service: Arc<Service>,
    /// The common settings. Its target determines whether TLS is used.
    pattern: Upstream,
    /// Further settings that a connection depends on.
    identity: String,
    finish: Finish,
    made: ArcSwap<Made>,
}

#[derive(Debug, Default)]
struct Made {
    of: Arc<Vec<Server>>,
    set: Arc<Set>,
}

impl Discovery {
    pub(crate) fn new(service: &str, pattern: Upstream, identity: String, finish: Finish) -> Self {
        let service = Service::of(service);
        Self { service, pattern, identity, finish, made: ArcSwap::default() }
    }

    /// The common settings of the upstreams.
    pub(crate) fn pattern(&self) -> &Upstream {
        &self.pattern
    }

    /// The upstreams; waits for the first answer.
    pub(crate) async fn hosts(&self, deadline: Instant) -> Arc<Set> {
        let now = self.now();
        if !now.is_empty() {
            return now;
        }
        self.service.answered(deadline).await;
        self.now()
    }

    fn now(&self) -> Arc<Set> {
        let servers = self.service.servers();
        let made = self.made.load();
        if Arc::ptr_eq(&made.of, &servers) {
            return made.set.clone();
        }
        let heaviest = servers.iter().map(|server| server.weight).max().unwrap_or(0);
        let hosts = servers.iter().filter_map(|server| self.upstream(server, heaviest)).collect();
        let set = Arc::new(Set::new(hosts));
        self.made.store(Arc::new(Made { of: servers, set: set.clone() }));
        set
    }

    fn upstream(&self, server: &Server, heaviest: u16) -> Option<Upstream> {
        let Target::Tcp { host, tls, .. } = &self.pattern.target else { return None };
        let scheme = if *tls { "https" } else { "http" };
        let authority = format!("{}:{}", server.host, server.port);
        let state = shared_state(format!("{scheme}://{authority} {host} {}", self.identity));
        let target = Target::Tcp {
            host: host.clone(),
            at: Host::parse(&server.host),
            port: server.port,
            tls: *tls,
        };
        let pattern = self.pattern.clone();
        let named =
            Upstream::new(&format!("{scheme}://{authority}{}", pattern.base_path), target, state);
        let mut upstream = Upstream {
            // DNS may name any number of servers; what is counted is the service.
            number: pattern.number,
            versions: pattern.versions,
            host_field: pattern.host_field,
            base_path: pattern.base_path,
            base_query: pattern.base_query,
            authorization: pattern.authorization,
            ..named
        };
        upstream.priority = server.priority;
        upstream.weight = scaled(server.weight, heaviest);
        self.finish.apply(&mut upstream);
        Some(upstream)
    }
}

/// Converts an SRV weight. A weight of 0 becomes a small one.
fn scaled(weight: u16, heaviest: u16) -> u32 {
    (u32::from(weight) * UPSTREAM_WEIGHT).checked_div(u32::from(heaviest)).unwrap_or(1).max(1)
}

/// The options of a rule that apply to each of its upstreams.
#[derive(Debug, Clone, Default)]
pub(crate) struct Finish {
    pub(crate) check: Check,
    /// What the check sends to each of them, and how.
    pub(crate) sent: String,
    pub(crate) sticky: Option<Sticky>,
}

impl Finish {
    pub(crate) fn apply(&self, upstream: &mut Upstream) {
        let credentials = upstream.authorization.as_ref().map(HeaderValue::as_bytes);
        let own = (&upstream.host_field, &upstream.base_query, credentials);
        let to = (upstream.state.id, &upstream.name, own);
        upstream.health = self.check.health(&format!("{to:?} {}", self.sent));
        if let Some(sticky) = &self.sticky {
            upstream.tag = sticky.tag(&upstream.name);
        }
    }
}
