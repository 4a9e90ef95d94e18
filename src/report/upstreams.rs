//! The state of upstreams as a directive reports it, and the requests to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::metrics::UpstreamTotals;

/// Reports the upstreams of one line of the Caddyfile. Not called for requests.
pub type UpstreamReport = Box<dyn Fn() -> Vec<UpstreamState> + Send + Sync>;

/// An upstream as its site finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamState {
    /// As in logs: without credentials.
    pub name: Arc<str>,
    pub site: Arc<str>,
    /// Why it is down.
    pub down: Option<&'static str>,
    /// What its requests are counted by: of servers that DNS names, the name of their service.
    pub counted_as: Arc<str>,
    /// How often failures or health checks kept requests away.
    pub ejections: u64,
    /// Requests that wait for a place.
    pub queued: usize,
}

/// The servers of one name, and the requests to them. Servers that DNS names are summed under the
/// name of their service, so that no answer of DNS adds one.
#[derive(Debug, Clone)]
pub struct UpstreamService {
    pub up: u64,
    pub down: u64,
    pub ejections: u64,
    pub queued: usize,
    pub traffic: UpstreamTotals,
}

impl UpstreamService {
    /// Those of the configuration in force, by name. `counted` may have others, of configurations
    /// before.
    pub(super) fn all(servers: &[UpstreamState], counted: Vec<UpstreamTotals>) -> Vec<Self> {
        let mut all: BTreeMap<&str, Self> = BTreeMap::new();
        for one in servers {
            let sum = all.entry(&one.counted_as).or_insert_with(|| Self {
                up: 0,
                down: 0,
                ejections: 0,
                queued: 0,
                traffic: UpstreamTotals::new(one.counted_as.clone()),
            });
            *if one.down.is_some() { &mut sum.down } else { &mut sum.up } += 1;
            sum.ejections += one.ejections;
            // A request waits for a place on any of them, so it waits at each.
            sum.queued = sum.queued.max(one.queued);
        }
        for traffic in counted {
            if let Some(sum) = all.get_mut(&*traffic.name) {
                sum.traffic = traffic;
            }
        }
        all.into_values().collect()
    }
}
