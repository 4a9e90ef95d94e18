//! Text to parts: which characters are a placeholder, and which one.

use http::HeaderName;

use super::client::Field;
use super::value::Value;

/// A piece of a template.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Text(String),
    Value(Value),
    /// A name that stands for nothing.
    Unknown(String),
}

/// A `{` takes all up to the next `}`, whatever is between them.
pub(super) fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        if let Some(before) = rest[..at].strip_suffix('\\') {
            plain.push_str(before);
            plain.push_str(&rest[at..=at]);
            rest = &rest[at + 1..];
            continue;
        }
        let end = if rest[at..].starts_with('{') { closing(&rest[at + 1..]) } else { None };
        let Some(end) = end else {
            plain.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
            continue;
        };
        plain.push_str(&rest[..at]);
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        let name = &rest[at + 1..at + 1 + end];
        parts.push(value(name).map_or_else(|| Part::Unknown(name.to_owned()), Part::Value));
        rest = &rest[at + end + 2..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    parts
}

/// Where the first `}` is that is not escaped.
fn closing(text: &str) -> Option<usize> {
    text.match_indices('}').map(|(at, _)| at).find(|at| !text[..*at].ends_with('\\'))
}

fn value(name: &str) -> Option<Value> {
    if let Some((_, make)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(make());
    }
    let field = |name: &str| HeaderName::from_bytes(name.as_bytes()).ok();
    let mut rest = name.chars();
    match rest.next() {
        Some('>') => field(rest.as_str()).map(Value::RequestField),
        Some('<') => field(rest.as_str()).map(Value::ResponseField),
        Some('?') => Some(Value::Argument(rest.as_str().to_owned())),
        Some('~') => Some(Value::Cookie(rest.as_str().to_owned())),
        Some('1'..='9') => name.parse().ok().map(Value::Capture),
        _ => name.strip_prefix("label").and_then(|n| n.parse().ok()).map(Value::Label),
    }
}

pub(super) type Row = (&'static str, fn() -> Value);

pub(super) static NAMES: &[Row] = &[
    ("method", || Value::Method),
    ("proto", || Value::Proto),
    ("scheme", || Value::Scheme),
    ("host", || Value::Host),
    ("hostonly", || Value::HostOnly),
    ("hostname", Value::hostname),
    ("path", || Value::Path),
    ("path_escaped", || Value::PathEscaped),
    ("rewrite_path", || Value::RewritePath),
    ("rewrite_path_escaped", || Value::RewritePathEscaped),
    ("query", || Value::Query),
    ("query_escaped", || Value::QueryEscaped),
    ("uri", || Value::Uri),
    ("uri_escaped", || Value::UriEscaped),
    ("rewrite_uri", || Value::RewriteUri),
    ("rewrite_uri_escaped", || Value::RewriteUriEscaped),
    ("dir", || Value::Dir),
    ("file", || Value::File),
    ("remote", || Value::Remote),
    ("port", || Value::Port),
    ("server_port", || Value::ServerPort),
    ("when", || Value::When),
    ("when_iso", || Value::WhenIso),
    ("when_iso_local", || Value::WhenIsoLocal),
    ("when_unix", || Value::WhenUnix),
    ("when_unix_ms", || Value::WhenUnixMs),
    ("request", || Value::Request),
    ("request_body", || Value::RequestBody),
    ("request_id", || Value::RequestId),
    ("user", || Value::User),
    ("upstream", || Value::Upstream),
    ("mitm", || Value::Mitm),
    ("tls_cipher", || Value::TlsCipher),
    ("tls_protocol", || Value::TlsProtocol),
    ("tls_client_escaped_cert", || Value::Client(Field::EscapedPem)),
    ("tls_client_fingerprint", || Value::Client(Field::Fingerprint)),
    ("tls_client_i_dn", || Value::Client(Field::Issuer)),
    ("tls_client_raw_cert", || Value::Client(Field::Pem)),
    ("tls_client_s_dn", || Value::Client(Field::Subject)),
    ("tls_client_serial", || Value::Client(Field::Serial)),
    ("tls_client_v_end", || Value::Client(Field::End)),
    ("tls_client_v_remain", || Value::Client(Field::Remain)),
    ("tls_client_v_start", || Value::Client(Field::Start)),
    ("status", || Value::Status),
    ("size", || Value::Size),
    ("latency", || Value::Latency),
    ("latency_ms", || Value::LatencyMs),
];
