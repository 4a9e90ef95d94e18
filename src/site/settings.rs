//! The settings of a block that the server itself reads.

use std::time::Duration;

use crate::http::paths::Prefix;
use crate::http::ranges::Ranges;

/// The settings of `limits`.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Bytes of a request's field section.
    pub header: Option<usize>,
    /// Path prefix and bytes, the longest prefix first.
    pub body: Vec<(Prefix, u64)>,
}

impl Limits {
    /// The maximum size of a request body on this path, in bytes.
    pub fn body_of(&self, path: &str) -> Option<u64> {
        self.body.iter().find(|(prefix, _)| prefix.holds(path)).map(|(_, bytes)| *bytes)
    }
}

/// Peers that send the client's address by the PROXY protocol, and the time limit for it.
#[derive(Debug, Clone)]
pub struct ProxyProtocol {
    pub from: Ranges,
    pub timeout: Duration,
}
