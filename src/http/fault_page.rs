//! The plain error page of a fault, if no `errors` page replaces it.

use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, header};

use super::{Body, Fault};

/// A page such as `404 Not Found`; without content for HEAD.
pub fn render(fault: Fault, is_head: bool) -> Response<Body> {
    let reason = fault.status.canonical_reason().unwrap_or("");
    let text = format!("{} {reason}\n", fault.status.as_u16());
    page(fault.status, fault.headers, text, is_head)
}

/// The page for an unknown host: 404, or 421 if the client may have coalesced connections (RFC 9110
/// section 15.5.20).
pub fn no_such_site(host: &str, version: Version, is_head: bool) -> Response<Body> {
    let status = if version >= Version::HTTP_2 {
        StatusCode::MISDIRECTED_REQUEST
    } else {
        StatusCode::NOT_FOUND
    };
    // A client of HTTP/1.0 may send no Host.
    let site = if host.is_empty() { "A site without a name" } else { &format!("Site {host}") };
    let text = format!("{} {site} is not served on this interface\n", status.as_u16());
    page(status, HeaderMap::new(), text, is_head)
}

/// The page for plain HTTP on a TLS port; `authority` is that of the request.
pub fn wants_https(authority: &str, is_head: bool) -> Response<Body> {
    let text = format!("400 This port requires HTTPS. Use https://{authority}/ instead.\n");
    page(StatusCode::BAD_REQUEST, HeaderMap::new(), text, is_head)
}

fn page(status: StatusCode, headers: HeaderMap, text: String, is_head: bool) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_LENGTH, text.len().into());
    if !is_head {
        *response.body_mut() = text.into();
    }
    response
}
