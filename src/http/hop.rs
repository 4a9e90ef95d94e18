//! Hop-by-hop fields, which a proxy does not forward (RFC 9110 section 7.6.1).

use http::header::{CONNECTION, COOKIE, HeaderName};
use http::{HeaderMap, HeaderValue};

use super::request::join;

/// Whether a field is hop-by-hop.
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "alt-svc"
            | "alternate-protocol"
            | "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Whether a field is connection-specific (RFC 9113 section 8.2.2, RFC 9114 section 4.2).
pub fn is_connection_specific(name: &[u8], value: &[u8]) -> bool {
    match name {
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
            true
        }
        b"te" => !value.eq_ignore_ascii_case(b"trailers"),
        _ => false,
    }
}

pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Fields that `Connection` cannot remove: without them the upstream would interpret the message
/// differently.
const END_TO_END: &[&str] = &["host", "content-length", "content-type", "content-encoding"];

/// The names in `Connection`, without fields that are always end-to-end.
pub fn named_by_connection(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|name| may_be_named(name.trim()))
}

/// A name in `Connection`, if it is allowed there.
pub fn may_be_named(name: &str) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    (!END_TO_END.contains(&name.as_str())).then_some(name)
}

/// Removes hop-by-hop fields and those that `Connection` names.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = named_by_connection(headers).collect();
        for name in named {
            headers.remove(name);
        }
    }
    // One pass over the fields costs less than a lookup of each name.
    let present: Vec<HeaderName> = headers.keys().filter(|n| is_hop_by_hop(n)).cloned().collect();
    for name in present {
        headers.remove(name);
    }
}

/// Whether a field is allowed in a trailer section: not for framing, routing, authentication or
/// content metadata (RFC 9110 section 6.5.1).
pub fn may_trail(name: &HeaderName) -> bool {
    let never = matches!(
        name.as_str(),
        "authorization"
            | "cache-control"
            | "content-encoding"
            | "content-length"
            | "content-range"
            | "content-type"
            | "cookie"
            | "host"
            | "max-forwards"
            | "set-cookie"
    );
    !never && !is_hop_by_hop(name)
}

/// Joins the Cookie fields into one: HTTP/2 and HTTP/3 allow several, other protocols do not (RFC
/// 9113 section 8.2.3, RFC 9114 section 4.2.1).
pub fn join_crumbs(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

/// `X-Forwarded-For` with the sender's address appended, as one line.
pub fn forwarded_for<'a>(
    earlier: impl Iterator<Item = &'a HeaderValue>,
    sender: &HeaderValue,
) -> HeaderValue {
    let Some(line) = join(earlier).filter(|line| !line.is_empty()) else { return sender.clone() };
    let line = [line.as_bytes(), b", ", sender.as_bytes()].concat();
    HeaderValue::try_from(line).unwrap_or_else(|_| sender.clone())
}

#[cfg(test)]
mod tests {
    use super::super::request::address_value;
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(n, v): &(&'static str, &'static str)| {
            (HeaderName::from_static(n), v.parse().unwrap())
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn fields_of_one_connection_go() {
        let mut sent = headers(&[
            ("connection", "x-mine, Host, content-length, close"),
            ("x-mine", "1"),
            ("host", "a"),
            ("content-length", "3"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("http2-settings", "x"),
            ("accept", "*/*"),
        ]);
        strip_hop_by_hop(&mut sent);
        let mut kept: Vec<_> = sent.keys().map(HeaderName::as_str).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["accept", "content-length", "host"]);
    }

    #[test]
    fn the_client_is_appended() {
        for (earlier, client, expected) in [
            (None, "192.0.2.7", "192.0.2.7"),
            (Some("10.0.0.1"), "2001:db8::1", "10.0.0.1, 2001:db8::1"),
            (Some(""), "::ffff:192.0.2.7", "192.0.2.7"),
        ] {
            let earlier = earlier.map(HeaderValue::from_static);
            let client = address_value(client.parse().unwrap());
            assert_eq!(forwarded_for(earlier.iter(), &client), expected);
        }
    }
}
