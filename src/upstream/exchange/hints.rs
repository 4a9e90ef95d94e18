//! Forwards the early hints of an upstream.

use http::{HeaderMap, StatusCode};

use super::settings::Settings;
use crate::http::Request;
use crate::http::placeholders::ResponseFacts;
use crate::upstream::rewrite::header_rules;

/// Sends the fields of a 103, without hop-by-hop fields, to a client that may get them.
pub(crate) fn forward(settings: &Settings, req: &Request, mut fields: HeaderMap) {
    let Some(hints) = &req.early_hints else { return };
    if !settings.downstream_headers.is_empty() {
        let before = fields.clone();
        let facts = ResponseFacts {
            status: StatusCode::EARLY_HINTS.as_u16(),
            size: 0,
            latency: req.received.elapsed(),
            headers: &before,
        };
        header_rules::apply(&settings.downstream_headers, &mut fields, req, Some(&facts));
    }
    hints.send(fields, req);
}
