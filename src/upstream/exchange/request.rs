//! Builds the request to an upstream: target, header fields and framing.

use std::borrow::Cow;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri, Version};
use hyper::body::Body as _;

use super::settings::Settings;
use crate::http::hop::{self, FORWARDED_FOR};
use crate::http::paths::Prefix;
use crate::http::{Body, Request};
use crate::upstream::host::error::ProxyError;
use crate::upstream::host::upstream::Upstream;
use crate::upstream::rewrite::header_rules::{self, Change};
use crate::upstream::rewrite::overlay::Fields;

/// A request to an upstream.
pub(crate) struct Message<'a> {
    pub(crate) method: &'a Method,
    /// The version of the client's request.
    pub(crate) version: Version,
    pub(crate) target: Cow<'a, PathAndQuery>,
    pub(crate) fields: Fields<'a>,
    pub(crate) body: Body,
}

impl Message<'_> {
    /// Converts it to an owned request.
    pub(crate) fn into_request(self) -> http::Request<Body> {
        let headers = self.fields.to_map();
        let mut request = http::Request::new(self.body);
        *request.method_mut() = self.method.clone();
        *request.version_mut() = self.version;
        *request.uri_mut() = Uri::from(self.target.into_owned());
        *request.headers_mut() = headers;
        request
    }
}

/// Builds the request of one attempt; the client's request is not modified.
pub(crate) fn outgoing<'a>(
    req: &'a Request,
    upstream: &'a Upstream,
    settings: &'a Settings,
    body: Body,
) -> Result<Message<'a>, ProxyError> {
    let target = target(&req.head.uri, upstream, &settings.without).map_err(ProxyError::Request)?;
    let mut fields = Fields::new(&req.head.headers);
    let hops = fields.with_hops();
    let offered = req.upgrade.as_ref().map(|upgrade| &upgrade.protocol);
    if let Some(protocol) = offered {
        offer(&mut fields, protocol);
    }
    if body.is_end_stream() {
        fields.remove(&EXPECT);
    }
    // Added after the fields named by the client's Connection are removed.
    let sender = req.sender();
    let line = match fields.contains(&FORWARDED_FOR) {
        true => Cow::Owned(hop::forwarded_for(fields.get_all(&FORWARDED_FOR), &sender)),
        false => sender,
    };
    Change::set(&mut fields, &FORWARDED_FOR, line);
    Change::set(&mut fields, &HOST, Cow::Borrowed(&upstream.host_field));
    if let Some(credentials) = &upstream.authorization
        && !fields.contains(&AUTHORIZATION)
    {
        Change::set(&mut fields, &AUTHORIZATION, Cow::Borrowed(credentials));
    }
    if !settings.upstream_headers.is_empty() {
        header_rules::apply(&settings.upstream_headers, &mut fields, req, None);
        keep_offer(&mut fields, offered);
    }
    if let Some(hops) = hops {
        if wants_trailers(hops) {
            fields.set(&TE, HeaderValue::from_static("trailers"));
        }
        for value in announced(hops, TRAILER) {
            fields.add(&TRAILER, Cow::Owned(value));
        }
    }
    if offered.is_none() || !fields.contains(&UPGRADE) {
        frame(&mut fields, &req.head.method, &body);
    }
    let (method, version) = (&req.head.method, req.head.version);
    Ok(Message { method, version, target, fields, body })
}

/// Path and query: without the prefix `without`, after the upstream's base; other bytes unchanged.
fn target<'a>(
    uri: &'a Uri,
    upstream: &Upstream,
    without: &Prefix,
) -> Result<Cow<'a, PathAndQuery>, http::Error> {
    let plain = upstream.base_path.is_empty() && upstream.base_query.is_empty();
    if plain
        && without.is_root()
        && let Some(target) = uri.path_and_query().filter(|target| target.as_str().starts_with('/'))
    {
        return Ok(Cow::Borrowed(target));
    }
    let path = uri.path();
    let path = without.cut(path).unwrap_or(Cow::Borrowed(path));
    let mut joined = join(&upstream.base_path, &path);
    let queries = [upstream.base_query.as_str(), uri.query().unwrap_or("")];
    let mut separator = '?';
    for query in queries.iter().filter(|query| !query.is_empty()) {
        joined.push(separator);
        joined.push_str(query);
        separator = '&';
    }
    Ok(Cow::Owned(PathAndQuery::try_from(joined)?))
}

/// Joins the two with exactly one slash; an empty rest adds none.
fn join(base: &str, rest: &str) -> String {
    let trimmed = base.strip_suffix('/').unwrap_or(base);
    let mut joined = String::with_capacity(trimmed.len() + rest.len() + 1);
    joined.push_str(trimmed);
    if !rest.is_empty() && !rest.starts_with('/') || trimmed.is_empty() && rest.is_empty() {
        joined.push('/');
    }
    joined.push_str(rest);
    joined
}

fn offer(fields: &mut Fields<'_>, protocol: &HeaderValue) {
    fields.set(&CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.set(&UPGRADE, protocol.clone());
}

/// Rules may remove the client's Upgrade but cannot add one, as requests in h2c would bypass all
/// rules.
fn keep_offer(fields: &mut Fields<'_>, offered: Option<&HeaderValue>) {
    // The client's own field is never forwarded.
    let is_left = fields.overriding(&UPGRADE).next().is_some();
    match offered.filter(|_| is_left) {
        Some(protocol) => offer(fields, protocol),
        None if is_left || offered.is_some() => {
            fields.remove(&UPGRADE);
            fields.remove(&CONNECTION);
        }
        None => {}
    }
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    headers
        .get_all(TE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

/// Sets the framing from the body itself; the client's Content-Length is kept only if the length
/// of the body is unknown (RFC 9112 section 6).
fn frame(fields: &mut Fields<'_>, method: &Method, body: &Body) {
    if body.is_end_stream() {
        let expects_body = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
        if expects_body || fields.contains(&CONTENT_LENGTH) {
            fields.set(&CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
    } else if let Some(length) = body.size_hint().exact() {
        fields.set(&CONTENT_LENGTH, HeaderValue::from(length));
    } else if !fields.contains(&CONTENT_LENGTH) {
        fields.set(&TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// The values of a hop-by-hop field that is forwarded anyway: `Trailer`.
pub(crate) fn announced(headers: &HeaderMap, name: HeaderName) -> Vec<HeaderValue> {
    headers.get_all(name).iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::host::address::parse;
    use crate::upstream::testing::request;

    #[test]
    fn targets_follow_the_table() {
        for (uri, to, without, want) in [
            ("/test", "https://l:2021", "", "/test"),
            ("/test", "https://l:2021/t", "", "/t/test"),
            ("/test?t=w", "https://l:2021/t", "", "/t/test?t=w"),
            ("/test", "https://l:2021/t?foo=bar", "", "/t/test?foo=bar"),
            ("/test?t=w", "https://l:2021/t?foo=bar", "", "/t/test?foo=bar&t=w"),
            ("/test?t=w", "https://l:2021/t?foo=bar", "/test", "/t?foo=bar&t=w"),
            ("/test/", "https://l:2021/t/", "", "/t/test/"),
            ("/test/mypath", "https://l:2021/t/", "/test", "/t/mypath"),
            ("/proxy/hello", "unix:/s", "/proxy", "/hello"),
            ("/queues/%2F/fetchtasks", "unix:/s", "", "/queues/%2F/fetchtasks"),
            ("/a//b/https://c", "http://l", "/x", "/a//b/https://c"),
            ("/a//%2f/../b", "http://l/t", "", "/t/a//%2f/../b"),
            ("/api", "http://l", "/api", "/"),
            ("/api", "http://l", "/a", "/pi"),
            ("/", "http://l/t", "", "/t/"),
            ("/x?", "http://l", "/y", "/x"),
            ("/API/a%2Fb", "http://l", "/api", "/a%2Fb"),
            ("/%61pi/a%2Fb", "http://l/t", "/api", "/t/a%2Fb"),
        ] {
            let upstream = &parse(to, "").unwrap()[0];
            let uri: Uri = uri.parse().unwrap();
            let got = target(&uri, upstream, &Prefix::new(without)).unwrap();
            assert_eq!(got.as_str(), want, "{uri} {to} without {without}");
        }
    }

    fn sent(method: &str, fields: &[(&'static str, &'static str)], to: &str) -> HeaderMap {
        let mut req = request(method, "/");
        for (name, value) in fields {
            req.head.headers.append(*name, HeaderValue::from_static(value));
        }
        let (upstream, settings) = (&parse(to, "").unwrap()[0], Settings::default());
        let out = outgoing(&req, upstream, &settings, Body::empty());
        out.unwrap().fields.to_map()
    }

    #[test]
    fn fields_are_cleaned_and_ours_added_last() {
        let fields = [
            ("connection", "close, x-forwarded-for, host, x-a"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x-a", "1"),
            ("te", "gzip, trailers"),
            ("expect", "100-continue"),
            ("upgrade", "h2c"),
            ("x-b", "2"),
        ];
        let headers = sent("GET", &fields, "origin.test:81");
        assert_eq!(headers["host"], "origin.test:81");
        assert_eq!(headers["x-forwarded-for"], "192.0.2.7");
        assert_eq!(headers["te"], "trailers");
        assert_eq!(headers["x-b"], "2");
        for gone in ["connection", "x-a", "expect", "upgrade", "accept-encoding", "via"] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
        assert_eq!(
            sent("GET", &[("x-forwarded-for", "1.1.1.1")], "o")["x-forwarded-for"],
            "1.1.1.1, 192.0.2.7"
        );
    }

    #[test]
    fn url_credentials_give_way_to_the_clients() {
        assert_eq!(sent("GET", &[], "http://u:p@o")["authorization"], "Basic dTpw");
        let own = sent("GET", &[("authorization", "Bearer x")], "http://u:p@o");
        assert_eq!(own["authorization"], "Bearer x");
    }

    #[test]
    fn an_empty_body_is_framed_as_such() {
        assert_eq!(sent("POST", &[], "o")["content-length"], "0");
        assert_eq!(sent("PUT", &[("content-length", "5")], "o")["content-length"], "0");
        assert!(!sent("GET", &[], "o").contains_key("content-length"));
    }
}
