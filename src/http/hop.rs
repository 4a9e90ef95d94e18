//! Fields that belong to one connection and never pass a proxy (RFC 9110 section 7.6.1).

use std::net::IpAddr;

use http::header::{CONNECTION, HOST, HeaderName};
use http::{HeaderMap, HeaderValue};

const HOP_BY_HOP: &[&str] = &[
    "alt-svc",
    "alternate-protocol",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Removes the fields of one connection and all that `Connection` names, but never `Host`.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
            .filter(|name| name != HOST)
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(*name);
    }
}

/// Appends the client's address to `X-Forwarded-For`, as one line.
pub fn append_forwarded_for(headers: &mut HeaderMap, client: IpAddr) {
    let earlier = super::request::join(headers.get_all("x-forwarded-for").iter());
    let line = match earlier {
        Some(earlier) if !earlier.is_empty() => format!("{earlier}, {client}"),
        _ => client.to_string(),
    };
    if let Ok(value) = HeaderValue::from_str(&line) {
        headers.insert("x-forwarded-for", value);
    }
}
