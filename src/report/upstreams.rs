//! The state of upstreams as a directive reports it.

use std::sync::Arc;

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
