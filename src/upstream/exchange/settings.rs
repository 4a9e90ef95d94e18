//! The settings of a rule that an exchange needs.

use std::time::Duration;

use super::trust::ClientConfigs;
use crate::http::paths::Prefix;
use crate::limits::{
    UPSTREAM_BODY_IDLE, UPSTREAM_CONNECT, UPSTREAM_FIRST_BYTE, UPSTREAM_KEEPALIVE,
};
use crate::net::proxy_protocol::writer::ProxyProtocol;
use crate::upstream::rewrite::header_rules::HeaderRule;

/// The settings for all upstreams of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Idle connections kept for each upstream and worker.
    pub(crate) keepalive: usize,
    pub(crate) connect_timeout: Duration,
    /// Timeout for the head of the response, from the end of the request.
    pub(crate) first_byte: Duration,
    /// Idle timeout within the response.
    pub(crate) idle: Duration,
    /// The prefix that is removed from the paths of requests.
    pub(crate) without: Prefix,
    pub(crate) upstream_headers: Vec<HeaderRule>,
    pub(crate) downstream_headers: Vec<HeaderRule>,
    /// Set if an upstream uses TLS.
    pub(crate) tls: Option<ClientConfigs>,
    /// The PROXY header of connections, each of which then serves one client only.
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
            downstream_headers: Vec::new(),
            tls: None,
            proxy_protocol: None,
        }
    }
}
