//! What a block sets that the server reads itself.

use std::time::Duration;

use crate::http::paths::Prefix;
use crate::http::ranges::Ranges;

/// What `limits` sets.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Bytes of a request's field section.
    pub header: Option<usize>,
    /// Path prefix and bytes, the longest prefix first.
    pub body: Vec<(Prefix, u64)>,
}

impl Limits {
    /// The most bytes a request body on this path may have.
    pub fn body_of(&self, path: &str) -> Option<u64> {
        self.body.iter().find(|(prefix, _)| prefix.holds(path)).map(|(_, bytes)| *bytes)
    }
}

/// Who names the client of each TCP connection, by the PROXY protocol.
#[derive(Debug, Clone)]
pub struct ProxyProtocol {
    pub from: Ranges,
    pub timeout: Duration,
}
