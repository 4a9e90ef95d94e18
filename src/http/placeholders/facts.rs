//! Values of placeholders that are not part of the request itself.

use std::time::Duration;

use http::HeaderMap;

/// The values of a response, for logs and downstream header rules.
#[derive(Debug)]
pub struct ResponseFacts<'a> {
    pub status: u16,
    pub size: u64,
    pub latency: Duration,
    pub headers: &'a HeaderMap,
}

/// The captures of a rewrite's pattern, `{1}`, `{2}`, …, encoded for its destination.
#[derive(Debug, Clone, Default)]
pub struct Captures(pub Vec<String>);

/// The request ID, in `head.extensions`: from `request_id`, or from an error page that shows it.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

impl RequestId {
    /// A UUID of version 4 (RFC 9562 section 5.4). It is unique but not secret, so a fast generator
    /// suffices.
    pub fn random() -> Self {
        let bits = fastrand::u128(..) & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let hex = format!("{bits:032x}");
        Self([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
    }
}
