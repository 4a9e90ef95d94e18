//! Lines of JSON formats, whatever bytes a client sends.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;

use super::format::Format;
use crate::fuzzing::{Target, hold};
use crate::http::Request;
use crate::http::placeholders::{RequestId, ResponseFacts};
use crate::http::request::tests::request;
use crate::limits::{LOG_VALUE_BYTES, SYSLOG_BYTES};

const FORMATS: [&str; 4] = [
    "{json}",
    r#"{"ua":"{>User-Agent}","bare":{>User-Agent},"both":"<{user}|{>Referer}>","s":{status}}"#,
    r#"{"line":"{combined}","head":"{request}","n":{size},"l":{latency},"in":{json}}"#,
    r#"@cee: {"path":"{path}","query":{query},"cookie":"{~a}","etag":{<ETag},"none":{mitm}}"#,
];

/// The formats as they are, and for syslog.
static PARSED: LazyLock<Vec<(&str, Format, Format)>> = LazyLock::new(|| {
    let parsed = |text| (text, Format::parse(text).unwrap());
    let both = |(text, format): (_, Format)| (text, format.clone(), format.for_syslog());
    FORMATS.into_iter().map(parsed).map(both).collect()
});

const TARGETS: &[Target] = &[Target { name: "log_json", run: lines, seeds: SEEDS }];

/// Target, User-Agent, Referer, Cookie and user, each on its line.
const SEEDS: &[&[u8]] = &[
    b"/a?b=c\nMozilla/5.0 (X11)\nhttps://example.com/\na=b\nkim",
    b"/%22\\\"?{uri}\n\"},{\"a\":\"\n\\\n\xe9\xff\xfe\n\0\x1b[2J\x7f",
    b"/x?\xc3\xa9\n\xed\xa0\x80\xf4\x90\x80\x80\n\xe2\x80\xa8\xc2\x85\na=\"\xf0\x9f\x98\x80\"\nnull",
];

fn lines(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let mut req = request("GET", "/");
    if let Ok(uri) = http::Uri::try_from(part()) {
        (req.original_uri, req.head.uri) = (uri.clone(), uri);
    }
    if let Ok(method) = Method::from_bytes(part_of(data, 5)) {
        req.head.method = method;
    }
    for name in ["user-agent", "referer", "cookie"] {
        if let Ok(value) = HeaderValue::from_bytes(part()) {
            req.head.headers.insert(name, value);
        }
    }
    let user = String::from_utf8_lossy(part()).into_owned();
    req.head.extensions.insert(RequestId(user.clone()));
    req.user = Some(user);
    for (text, plain, for_syslog) in &*PARSED {
        check(&req, text, plain);
        let line = line(&req, for_syslog);
        assert!(line.len() <= SYSLOG_BYTES, "{} bytes", line.len());
        parsed(&line);
    }
}

fn part_of(data: &[u8], len: usize) -> &[u8] {
    &data[..data.len().min(len)]
}

fn line(req: &Request, format: &Format) -> String {
    let etag = req.head.headers.get("referer").map(|value| (http::header::ETAG, value.clone()));
    let headers = HeaderMap::from_iter(etag);
    let latency = Duration::from_micros(1234);
    let facts = ResponseFacts { status: 200, size: 0, latency, headers: &headers };
    let client = IpAddr::from(Ipv4Addr::LOCALHOST);
    format.end(&format.begin(req, &facts, client), 5, latency)
}

/// The one object of a line.
fn parsed(line: &str) -> Value {
    assert!(!line.contains(|c: char| c.is_control() || "\u{2028}\u{2029}".contains(c)), "{line}");
    let object = line.strip_prefix("@cee: ").unwrap_or(line);
    serde_json::from_str(object).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn check(req: &Request, text: &str, format: &Format) {
    let read = parsed(&line(req, format));
    let agent = req.field("user-agent").unwrap_or_default();
    if agent.len() > LOG_VALUE_BYTES {
        return;
    }
    let known = if agent.is_empty() { Value::Null } else { agent.as_str().into() };
    if text == "{json}" {
        assert_eq!(read["user_agent.original"], known);
        assert_eq!(read["url.path"], req.original_uri.path());
        assert_eq!(read["http.server.request.duration"], 0.001234);
    } else if read.get("ua").is_some() {
        assert_eq!(read["ua"], *agent);
        assert_eq!((&read["bare"], &read["s"]), (&known, &Value::from(200)));
    }
}

#[test]
fn a_hundred_thousand_lines_are_json() {
    let per_run = 2 * FORMATS.len() as u32;
    hold(TARGETS, 100_000 / per_run + 1);
}

#[test]
fn long_values_are_cut_within_the_object() {
    for (byte, len) in [(b'x', 9000), (b'"', 20_000), (1, 20_000), (0xff, 20_000)] {
        let mut data = b"/\n".to_vec();
        data.extend(vec![byte; len]);
        data.extend_from_slice(b"\n");
        data.extend(vec![byte; len]);
        lines(&data);
    }
}

#[test]
fn the_object_of_a_request() {
    let mut req = request("POST", "/a%20b?c=d&e");
    req.head.headers.insert("referer", HeaderValue::from_static("http://r/"));
    req.upstream = Some("http://127.0.0.1:8080".into());
    req.user = Some("kim".to_owned());
    let format = Format::parse("{json}").unwrap();
    let headers = HeaderMap::new();
    let latency = Duration::from_millis(2500);
    let facts = ResponseFacts { status: 502, size: 0, latency, headers: &headers };
    let line = format.begin(&req, &facts, IpAddr::from([192, 0, 2, 0]));
    let mut read: Value = serde_json::from_str(&format.end(&line, 17, latency)).unwrap();
    let time = read.as_object_mut().unwrap().remove("timestamp").unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).is_ok());
    let expected = serde_json::json!({
        "http.request.method": "POST",
        "url.scheme": "http",
        "url.path": "/a%20b",
        "url.query": "c=d&e",
        "network.protocol.name": "http",
        "network.protocol.version": "1.1",
        "client.address": "192.0.2.0",
        "client.port": 1234,
        "server.address": "example.com",
        "server.port": 8080,
        "http.response.status_code": 502,
        "http.response.body.size": 17,
        "http.server.request.duration": 2.5,
        "http.request.header.referer": ["http://r/"],
        "user.name": "kim",
        "caddy.upstream.address": "http://127.0.0.1:8080",
    });
    assert_eq!(read, expected);
}
