//! `{name}` in a directive's arguments: parsed once at load, filled in per request. A value is
//! never read again for placeholders.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{Local, Utc};
use http::HeaderMap;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Request;
use super::request::join;

/// Text with placeholders, parsed.
#[derive(Debug, Clone)]
pub struct Template {
    parts: Vec<Part>,
}

/// What is known once a response has passed; for logs and downstream header rules.
#[derive(Debug)]
pub struct ResponseFacts<'a> {
    pub status: u16,
    pub size: u64,
    pub latency: Duration,
    pub headers: &'a HeaderMap,
}

/// What a rewrite's regular expression captured, `{1}` first; kept in `head.extensions`.
#[derive(Debug, Clone)]
pub struct Captures(pub Vec<String>);

type OfRequest = fn(&Request) -> String;
type OfResponse = fn(&ResponseFacts<'_>) -> String;

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    Request(OfRequest),
    Response(OfResponse),
    RequestField(String),
    ResponseField(String),
    Query(String),
    Cookie(String),
    Label(usize),
    Capture(usize),
    Unknown,
}

/// Names and where their values are from. {path}, {query} and {uri} are those of the client,
/// before any rewrite; the rewrite_ forms are those of now.
static REQUEST: &[(&str, OfRequest)] = &[
    ("method", |r| r.head.method.to_string()),
    ("proto", |r| format!("{:?}", r.head.version)),
    ("scheme", |r| r.scheme().to_owned()),
    ("host", |r| r.host_field().to_owned()),
    ("hostonly", |r| r.host.clone()),
    ("hostname", |_| hostname()),
    ("path", |r| r.original_uri.path().to_owned()),
    ("path_escaped", |r| escaped(r.original_uri.path())),
    ("rewrite_path", |r| r.path().to_owned()),
    ("rewrite_path_escaped", |r| escaped(r.path())),
    ("rewrite_uri", |r| r.head.uri.to_string()),
    ("rewrite_uri_escaped", |r| escaped(&r.head.uri.to_string())),
    ("query", |r| r.original_uri.query().unwrap_or("").to_owned()),
    ("query_escaped", |r| escaped(r.original_uri.query().unwrap_or(""))),
    // A fragment never leaves the client (RFC 9110 section 4.2.5).
    ("fragment", |_| String::new()),
    ("uri", |r| r.original_uri.to_string()),
    ("uri_escaped", |r| escaped(&r.original_uri.to_string())),
    ("dir", |r| split_file(r.original_uri.path()).0.to_owned()),
    ("file", |r| split_file(r.original_uri.path()).1.to_owned()),
    ("remote", |r| r.peer.remote.ip().to_string()),
    ("port", |r| r.peer.remote.port().to_string()),
    ("server_port", |r| r.peer.local.port().to_string()),
    ("when", |_| Local::now().format("%d/%b/%Y:%H:%M:%S %z").to_string()),
    ("when_iso", |_| Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string()),
    ("when_iso_local", |_| Local::now().format("%Y-%m-%dT%H:%M:%S").to_string()),
    ("when_unix", |_| since_epoch().as_secs().to_string()),
    ("when_unix_ms", |_| since_epoch().as_millis().to_string()),
    ("request", dump),
    ("user", |r| r.user.clone().unwrap_or_default()),
    ("upstream", |r| r.upstream.as_deref().unwrap_or("").to_owned()),
    ("tls_protocol", |r| r.peer.tls.as_ref().map_or("", |tls| tls.protocol).to_owned()),
    ("tls_cipher", |r| r.peer.tls.as_ref().map_or("", |tls| &tls.cipher).to_owned()),
];

static RESPONSE: &[(&str, OfResponse)] = &[
    ("status", |f| f.status.to_string()),
    ("size", |f| f.size.to_string()),
    ("latency", |f| rounded(f.latency)),
    ("latency_ms", |f| f.latency.as_millis().to_string()),
];

impl Template {
    /// Parses; it cannot fail: an unknown placeholder is empty, an unpaired `{` stays.
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("\\{").or_else(|| rest.strip_prefix("\\}")) {
                literal.push(rest.as_bytes()[1].into());
                rest = after;
            } else if next == '{'
                && let Some(end) = rest.find('}')
            {
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(Part::named(&rest[1..end]));
                rest = &rest[end + 1..];
            } else {
                literal.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Self { parts }
    }

    /// The text for this request; an unknown or empty placeholder becomes `empty`.
    pub fn expand(&self, req: &Request, resp: Option<&ResponseFacts<'_>>, empty: &str) -> String {
        if let [Part::Literal(text)] = self.parts.as_slice() {
            return text.clone();
        }
        let mut expanded = String::new();
        for part in &self.parts {
            if let Part::Literal(text) = part {
                expanded.push_str(text);
                continue;
            }
            match part.value(req, resp) {
                Some(value) if !value.is_empty() => expanded.push_str(&value),
                _ => expanded.push_str(empty),
            }
        }
        expanded
    }
}

impl Part {
    fn named(name: &str) -> Self {
        if let Some((_, value)) = REQUEST.iter().find(|(known, _)| *known == name) {
            return Self::Request(*value);
        }
        if let Some((_, value)) = RESPONSE.iter().find(|(known, _)| *known == name) {
            return Self::Response(*value);
        }
        let owned = |at: usize| name[at..].to_owned();
        match name.as_bytes().first() {
            Some(b'>') => Self::RequestField(owned(1)),
            Some(b'<') => Self::ResponseField(owned(1)),
            Some(b'?') => Self::Query(owned(1)),
            Some(b'~') => Self::Cookie(owned(1)),
            _ => match (name.parse(), name.strip_prefix("label").map(str::parse)) {
                (Ok(number @ 1..), _) => Self::Capture(number),
                (_, Some(Ok(number @ 1..))) => Self::Label(number),
                _ => Self::Unknown,
            },
        }
    }

    fn value(&self, req: &Request, resp: Option<&ResponseFacts<'_>>) -> Option<String> {
        match self {
            Self::Literal(text) => Some(text.clone()),
            Self::Request(value) => Some(value(req)),
            Self::Response(value) => resp.map(value),
            Self::RequestField(name) => req.field(name),
            Self::ResponseField(name) => resp.and_then(|f| join(f.headers.get_all(name).iter())),
            Self::Query(name) => query_argument(req.original_uri.query()?, name),
            Self::Cookie(name) => cookie(req, name),
            Self::Label(number) => req.host.split('.').nth(number - 1).map(str::to_owned),
            Self::Capture(number) => {
                req.head.extensions.get::<Captures>()?.0.get(number - 1).cloned()
            }
            Self::Unknown => None,
        }
    }
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn split_file(path: &str) -> (&str, &str) {
    path.rfind('/').map_or(("", path), |at| path.split_at(at + 1))
}

fn hostname() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn rounded(latency: Duration) -> String {
    match latency.as_micros() {
        micros @ 0..1000 => format!("{micros}µs"),
        micros => format!("{}ms", (micros + 500) / 1000),
    }
}

/// The head as one line, its line ends escaped.
fn dump(req: &Request) -> String {
    let mut text = format!("{} {} {:?}\\r\\n", req.head.method, req.head.uri, req.head.version);
    for (name, value) in &req.head.headers {
        text.push_str(&format!("{name}: {}\\r\\n", String::from_utf8_lossy(value.as_bytes())));
    }
    text
}

fn query_argument(query: &str, name: &str) -> Option<String> {
    let (_, value) =
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|p| p.0 == name)?;
    let decoded = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
    Some(decoded.into_owned())
}

fn cookie(req: &Request, name: &str) -> Option<String> {
    let cookies = req.head.headers.get_all(http::header::COOKIE).iter();
    cookies
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|pair| pair.0 == name)
        .map(|pair| pair.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::tests::request;

    #[test]
    fn values() {
        let mut req = request("GET", "/dir/file.html?a=1&b=x%20y");
        let headers = &mut req.head.headers;
        headers.insert("custom", "one".parse().unwrap());
        headers.append("custom", "two".parse().unwrap());
        headers.insert("cookie", "a=1; b=2".parse().unwrap());
        req.head.uri = "/rewritten?q".parse().unwrap();
        req.head.extensions.insert(Captures(vec!["first".to_owned()]));
        for (template, expected) in [
            ("{method} {host} {hostonly}", "GET example.com:8080 example.com"),
            ("{path}|{query}|{uri}", "/dir/file.html|a=1&b=x%20y|/dir/file.html?a=1&b=x%20y"),
            ("{rewrite_path}|{rewrite_uri}", "/rewritten|/rewritten?q"),
            ("{dir}{file}", "/dir/file.html"),
            ("{>Custom}", "one,two"),
            ("{?b}{?none}", "x y-"),
            ("{~b}", "2"),
            ("{1}{2}", "first-"),
            ("{label2}", "com"),
            ("{remote}:{port}", "127.0.0.1:1234"),
            ("Bad {>Custom placeholder {>ShorterVal}", "Bad -"),
            ("Bad {host placeholder...", "Bad {host placeholder..."),
            (r"\{host\}", "{host}"),
            ("{status}", "-"),
            ("{nonsense}", "-"),
        ] {
            assert_eq!(Template::parse(template).expand(&req, None, "-"), expected, "{template}");
        }
    }

    #[test]
    fn a_value_is_not_read_again() {
        let mut req = request("GET", "/");
        req.head.headers.insert("x", "{host}".parse().unwrap());
        assert_eq!(Template::parse("{>X}").expand(&req, None, ""), "{host}");
    }
}
