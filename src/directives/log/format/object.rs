//! `{json}`: an object with the names of OpenTelemetry's semantic conventions for HTTP. Names of
//! what they do not know begin with `caddy.`.

use super::segment::{Late, Member, Segment, Written};
use crate::http::placeholders::Template;

/// What is left out where there is none.
const OTHERS: [(&str, &str); 12] = [
    ("server.address", "{hostonly}"),
    ("url.query", "{query}"),
    ("user_agent.original", "{>User-Agent}"),
    ("http.request.header.referer", "{>Referer}"),
    ("user.name", "{user}"),
    ("tls.protocol.version", "{tls_protocol}"),
    ("tls.cipher", "{tls_cipher}"),
    ("tls.client.subject", "{tls_client_s_dn}"),
    ("caddy.upstream.address", "{upstream}"),
    ("caddy.request_id", "{request_id}"),
    ("trace_id", "{trace_id}"),
    ("span_id", "{span_id}"),
];

pub(super) fn segments() -> Vec<Segment> {
    let text = |text: &str| Segment::Text(text.to_owned());
    let value = |placeholder| Segment::value(placeholder, Written::Inside);
    let mut segments = vec![
        text(r#"{"timestamp":""#),
        value("{when_iso_ms}"),
        text(r#"","http.request.method":""#),
        value("{method}"),
        text(r#"","url.scheme":""#),
        value("{scheme}"),
        text(r#"","url.path":""#),
        value("{path}"),
        text(r#"","network.protocol.name":"http","network.protocol.version":""#),
        value("{http_version}"),
        text(r#"","client.address":""#),
        Segment::Remote,
        text(r#"","client.port":"#),
        value("{port}"),
        text(r#","server.port":"#),
        value("{server_port}"),
        text(r#","http.response.status_code":"#),
        value("{status}"),
        text(r#","http.response.body.size":"#),
        Segment::Late(Late::Size),
        text(r#","http.server.request.duration":"#),
        Segment::Late(Late::LatencyS),
    ];
    segments.extend(OTHERS.into_iter().map(|(name, value)| Segment::Member(member(name, value))));
    segments.push(text("}"));
    segments
}

fn member(name: &str, value: &str) -> Member {
    // Header fields are lists there.
    let is_list = name.starts_with("http.request.header.");
    let (open, end) = if is_list { ("[\"", "\"]") } else { ("\"", "\"") };
    // Of `tls1.3`, the conventions have the number.
    let prefix = if name == "tls.protocol.version" { "tls" } else { "" };
    let start = format!(",\"{name}\":{open}");
    Member { start, value: Template::parse(value), prefix, end }
}
