//! What an exchange goes by: the part of a rule that one try at an upstream needs.

use std::time::Duration;

use super::trust::ClientConfigs;
use crate::directives::proxy::rewrite::header_rules::HeaderRule;
use crate::http::paths::Prefix;
use crate::limits::{
    UPSTREAM_BODY_IDLE, UPSTREAM_CONNECT, UPSTREAM_FIRST_BYTE, UPSTREAM_KEEPALIVE,
};
use crate::net::proxy_protocol::writer::ProxyProtocol;

/// The same for all upstreams of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Idle connections kept for each upstream and worker.
    pub(crate) keepalive: usize,
    pub(crate) connect_timeout: Duration,
    /// The longest silence of an upstream before its response.
    pub(crate) first_byte: Duration,
    /// The longest silence within it.
    pub(crate) idle: Duration,
    /// What is cut off the paths of requests.
    pub(crate) without: Prefix,
    pub(crate) upstream_headers: Vec<HeaderRule>,
    /// Set where an upstream is https.
    pub(crate) tls: Option<ClientConfigs>,
    /// What connections begin with, each of which then serves one client only.
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keepalive: UPSTREAM_KEEPALIVE,
            connect_timeout: UPSTREAM_CONNECT,
            first_byte: UPSTREAM_FIRST_BYTE,
            idle: UPSTREAM_BODY_IDLE,
            without: Prefix::default(),
            upstream_headers: Vec::new(),
            tls: None,
            proxy_protocol: None,
        }
    }
}
