//! The request as the upstream sees it: its target, its fields, its framing.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri};
use http_body::Body as _;

use super::error::ProxyError;
use super::respond::announced;
use super::rule::Rule;
use super::rules;
use super::upstream::Upstream;
use crate::http::{Body, Request, hop};

/// Builds one attempt from the client's request, which stays as it is.
pub(super) fn outgoing(
    req: &Request,
    upstream: &Upstream,
    rule: &Rule,
    body: Body,
) -> Result<http::Request<Body>, ProxyError> {
    let uri = target(&req.head.uri, upstream, &rule.without).map_err(ProxyError::Request)?;
    let mut headers = req.head.headers.clone();
    let trailers_wanted = wants_trailers(&headers);
    let trailer = announced(&headers, TRAILER);
    hop::strip_hop_by_hop(&mut headers);
    let offered = req.upgrade.as_ref().map(|upgrade| &upgrade.protocol);
    if let Some(protocol) = offered {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, protocol.clone());
    }
    if body.is_end_stream() {
        headers.remove(EXPECT);
    }
    // Ours is added after what the client's Connection named has gone.
    hop::append_forwarded_for(&mut headers, req.sender());
    headers.insert(HOST, upstream.host_field.clone());
    if let Some(credentials) = &upstream.authorization
        && !headers.contains_key(AUTHORIZATION)
    {
        headers.insert(AUTHORIZATION, credentials.clone());
    }
    if !rule.upstream_headers.is_empty() {
        rules::apply(&rule.upstream_headers, &mut headers, req, None);
        keep_offer(&mut headers, offered);
    }
    if trailers_wanted {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    for value in trailer {
        headers.append(TRAILER, value);
    }
    if offered.is_none() || !headers.contains_key(UPGRADE) {
        frame(&mut headers, &req.head.method, &body);
    }

    let mut out = http::Request::new(body);
    *out.method_mut() = req.head.method.clone();
    // The client's: what is asked for on its behalf depends on it.
    *out.version_mut() = req.head.version;
    *out.uri_mut() = uri;
    *out.headers_mut() = headers;
    Ok(out)
}

/// Path and query: `without` cut off, the upstream's base before it, every other byte untouched.
fn target(uri: &Uri, upstream: &Upstream, without: &str) -> Result<Uri, http::Error> {
    let plain = upstream.base_path.is_empty() && upstream.base_query.is_empty();
    if plain && without.is_empty() && uri.scheme().is_none() && uri.path().starts_with('/') {
        return Ok(uri.clone());
    }
    let path = uri.path();
    let path = path.strip_prefix(without).unwrap_or(path);
    let mut joined = join(&upstream.base_path, path);
    let queries = [upstream.base_query.as_str(), uri.query().unwrap_or("")];
    let mut separator = '?';
    for query in queries.iter().filter(|query| !query.is_empty()) {
        joined.push(separator);
        joined.push_str(query);
        separator = '&';
    }
    Ok(Uri::from(PathAndQuery::try_from(joined)?))
}

/// Joins with exactly one slash in between; an empty rest adds none.
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

/// Rules may take the client's wish for another protocol away, and never give it one (h2c would
/// carry requests past every rule).
fn keep_offer(headers: &mut HeaderMap, offered: Option<&HeaderValue>) {
    match offered.filter(|_| headers.contains_key(UPGRADE)) {
        Some(protocol) => {
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, protocol.clone());
        }
        None if headers.remove(UPGRADE).is_some() || offered.is_some() => {
            headers.remove(CONNECTION);
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

/// Says how long the body is, from the body itself: what the client wrote is kept only where the
/// body cannot tell (RFC 9112 section 6).
fn frame(headers: &mut HeaderMap, method: &Method, body: &Body) {
    if body.is_end_stream() {
        let expects_body = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
        if expects_body || headers.contains_key(CONTENT_LENGTH) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
    } else if let Some(length) = body.size_hint().exact() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    } else if !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::parse;
    use super::super::testing::request;
    use super::*;

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
        ] {
            let upstream = &parse(to, "").unwrap()[0];
            let got = target(&uri.parse().unwrap(), upstream, without).unwrap();
            assert_eq!(got.to_string(), want, "{uri} {to} without {without}");
        }
    }

    fn sent(method: &str, fields: &[(&'static str, &'static str)], to: &str) -> HeaderMap {
        let mut req = request(method, "/");
        for (name, value) in fields {
            req.head.headers.append(*name, HeaderValue::from_static(value));
        }
        let rule = Rule::of("/", &[to.to_owned()]);
        let out = outgoing(&req, &rule.hosts[0], &rule, Body::empty());
        out.unwrap().headers().clone()
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
