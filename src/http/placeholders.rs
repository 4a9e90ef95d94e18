//! `{name}` in a directive's arguments, parsed once at load (stub).
use std::time::Duration;

use http::HeaderMap;

use super::Request;

/// Text with placeholders, parsed.
#[derive(Debug, Clone)]
pub struct Template {
    text: String,
}

/// What is known once a response has passed; for logs and downstream header rules.
#[derive(Debug)]
pub struct ResponseFacts<'a> {
    pub status: u16,
    pub size: u64,
    pub latency: Duration,
    pub headers: &'a HeaderMap,
}

impl Template {
    /// Parses; it cannot fail: an unknown placeholder is empty, an unpaired `{` stays.
    pub fn parse(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    /// The text for this request; an unknown or empty placeholder becomes `empty`.
    pub fn expand(&self, req: &Request, resp: Option<&ResponseFacts<'_>>, empty: &str) -> String {
        let _ = (req, resp, empty);
        self.text.clone()
    }
}
