//! Requests to switch protocols on a connection (HTTP/1.1, RFC 9110 section 7.8) or stream (HTTP/2
//! and HTTP/3, RFC 8441 and RFC 9220), in one form for all versions.
//!
//! A handler that accepts takes [`Upgrade`] from the request and responds with 101; the body of the
//! response is then sent to the client, and its end closes that direction.

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Body;

pub const WEBSOCKET_KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
pub const WEBSOCKET_ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");

/// The client's offer.
#[derive(Debug)]
pub struct Upgrade {
    /// The protocol as the client names it.
    pub protocol: HeaderValue,
    /// The data from the client after the 101; empty before.
    pub incoming: Body,
}

/// The single protocol in the Upgrade field of a message, if `Connection` names Upgrade.
pub fn protocol(fields: &HeaderMap) -> Option<&HeaderValue> {
    let mut asked = fields.get_all(UPGRADE).iter();
    let protocol = asked.next().filter(|_| asked.next().is_none())?;
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(byte);
    let single = !protocol.is_empty() && protocol.as_bytes().iter().all(is_token);
    (single && names_upgrade(fields)).then_some(protocol)
}

fn names_upgrade(fields: &HeaderMap) -> bool {
    let values = fields.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|w| w.trim().eq_ignore_ascii_case("upgrade"))
}

/// Whether the protocol carries HTTP, also inside TLS: requests in its tunnel would bypass all
/// rules.
pub fn is_http(protocol: &HeaderValue) -> bool {
    let name = protocol.as_bytes().split(|byte| *byte == b'/').next().unwrap_or_default();
    [&b"h2c"[..], b"h2", b"h3", b"http", b"tls"].iter().any(|http| name.eq_ignore_ascii_case(http))
}

pub fn is_websocket(protocol: &HeaderValue) -> bool {
    protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
}

/// `Sec-WebSocket-Accept` for a key (RFC 6455 section 4.2.2).
pub fn websocket_accept(key: &[u8]) -> HeaderValue {
    use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
    use base64::{Engine, prelude::BASE64_STANDARD};
    let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let text = BASE64_STANDARD.encode(hash.finish());
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(*name, HeaderValue::from_static(value));
        }
        fields
    }

    #[test]
    fn one_protocol_is_asked_for() {
        for (lines, want) in [
            (&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")][..], "websocket"),
            (&[("connection", "upgrade"), ("upgrade", "foo/2")], "foo/2"),
            (&[("upgrade", "websocket")], ""),
            (&[("connection", "upgrade")], ""),
            (&[("connection", "upgrade"), ("upgrade", "a, b")], ""),
            (&[("connection", "upgrade"), ("upgrade", "a"), ("upgrade", "b")], ""),
        ] {
            let fields = fields(lines);
            let got = protocol(&fields).map_or("", |value| value.to_str().unwrap());
            assert_eq!(got, want, "{lines:?}");
        }
    }

    #[test]
    fn http_in_other_clothes_is_known() {
        for (name, http, websocket) in [
            ("h2c", true, false),
            ("H2C", true, false),
            ("HTTP/2.0", true, false),
            ("TLS/1.2", true, false),
            ("WebSocket", false, true),
            ("h2cc", false, false),
        ] {
            let name = HeaderValue::from_static(name);
            assert_eq!((is_http(&name), is_websocket(&name)), (http, websocket), "{name:?}");
        }
    }

    #[test]
    fn the_key_of_the_rfc_is_accepted() {
        let accept = websocket_accept(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
