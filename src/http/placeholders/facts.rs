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

/// The request ID, which `request_id` puts into `head.extensions`.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);
