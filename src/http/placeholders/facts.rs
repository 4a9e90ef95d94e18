//! What placeholders read that is no part of the request as it came.

use std::time::Duration;

use http::HeaderMap;

/// What is known once a response has passed; for logs and downstream header rules.
#[derive(Debug)]
pub struct ResponseFacts<'a> {
    pub status: u16,
    pub size: u64,
    pub latency: Duration,
    pub headers: &'a HeaderMap,
}

/// What a rewrite's pattern captured: `{1}`, `{2}`, … in the form its destination needs.
#[derive(Debug, Clone, Default)]
pub struct Captures(pub Vec<String>);

/// The request's name, which `request_id` puts into `head.extensions`.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);
