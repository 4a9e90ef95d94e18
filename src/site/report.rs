//! What a directive tells of the servers behind it when it is asked.

use std::sync::Arc;

/// Tells of the upstreams of one line of the Caddyfile. Asked beside requests, never for one.
pub type UpstreamReport = Box<dyn Fn() -> Vec<UpstreamState> + Send + Sync>;

/// An upstream as its site finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamState {
    /// As in logs: without credentials.
    pub name: Arc<str>,
    pub site: Arc<str>,
    /// Why it is down.
    pub down: Option<&'static str>,
}
