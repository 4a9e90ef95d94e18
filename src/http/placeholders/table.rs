//! All placeholders, in two tables: name, source, and encoding in a target. A test compares them
//! with docs/caddyfile.md.

use Text::{Path, Plain, Ready, Uri};
use chrono::Utc;
use http::HeaderName;

use super::client;
use super::clock::{self, Form};
use super::escape::escape;
use super::facts::{RequestId, ResponseFacts};
use super::read::{proto, put, rounded, split, target, version};
use super::scope::Scope;
use crate::http::Peer;
use crate::http::paths::normal;
use crate::http::trace::Trace;

/// A placeholder whose name is a word.
pub(super) struct Word {
    pub(super) name: &'static str,
    source: Source,
    text: Text,
}

enum Source {
    /// Read from the machine when the configuration is loaded.
    Machine(fn() -> String),
    /// Read when the text is expanded.
    Later(Read),
}

/// The source of a value, and a function that appends it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Read {
    Connection(fn(&mut String, &Peer)),
    /// The client certificate (DER).
    Certificate(fn(&mut String, &[u8])),
    Request(fn(&mut String, &Scope<'_>)),
    /// The whole head of the request, escaped.
    Head,
    /// The start of the request body.
    Content,
    Time(fn(&mut String)),
    Response(fn(&mut String, &ResponseFacts<'_>)),
}

/// How a value is encoded in a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// A piece of a path, percent-encoded.
    Path,
    /// A path and perhaps a query.
    Uri,
    /// Decoded text.
    Plain,
    /// A query, or text that needs no encoding.
    Ready,
}

/// One placeholder of a template.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// A value from the time of loading.
    Loaded(String, Text),
    Word(Read, Text),
    RequestField(HeaderName),
    ResponseField(HeaderName),
    /// A query parameter.
    Argument(String),
    Cookie(String),
    /// A label of the host, counted from 1 on the left.
    Label(usize),
    /// A capture of a rewrite, from 1.
    Capture(usize),
}

impl Value {
    /// The placeholder of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        if let Some(word) = WORDS.iter().find(|word| word.name == name) {
            return Some(match word.source {
                Source::Machine(read) => Self::Loaded(read(), word.text),
                Source::Later(read) => Self::Word(read, word.text),
            });
        }
        FAMILIES.iter().find_map(|(start, value)| value(name.strip_prefix(start)?))
    }
}

/// Placeholders with a parameter, such as a field name: the prefix, and the value for the rest of
/// the name.
type Family = (&'static str, fn(&str) -> Option<Value>);

static FAMILIES: &[Family] = &[
    (">", |rest| field(rest).map(Value::RequestField)),
    ("<", |rest| field(rest).map(Value::ResponseField)),
    ("?", |rest| Some(Value::Argument(rest.to_owned()))),
    ("~", |rest| Some(Value::Cookie(rest.to_owned()))),
    ("label", |rest| rest.parse().ok().map(Value::Label)),
    ("", |rest| Some(Value::Capture(number(rest)?))),
];

pub(super) static WORDS: &[Word] = &[
    request("method", Ready, |out, of| out.push_str(of.req.head.method.as_str())),
    request("proto", Ready, |out, of| out.push_str(proto(of.req.head.version))),
    request("http_version", Ready, |out, of| out.push_str(version(of.req.head.version))),
    request("scheme", Ready, |out, of| out.push_str(of.req.scheme())),
    request("host", Plain, |out, of| out.push_str(of.req.host_field())),
    request("hostonly", Plain, |out, of| out.push_str(&of.req.host)),
    machine("hostname", crate::machine::name),
    request("path", Path, |out, of| out.push_str(&of.original_path())),
    request("path_escaped", Ready, |out, of| escape(&normal(of.uri.path()), out)),
    request("rewrite_path", Path, |out, of| out.push_str(&of.current_path())),
    request("rewrite_path_escaped", Ready, |out, of| escape(&normal(of.req.path()), out)),
    request("query", Ready, |out, of| out.push_str(of.query())),
    request("query_escaped", Ready, |out, of| escape(of.query(), out)),
    request("uri", Uri, |out, of| out.push_str(target(of.uri))),
    request("uri_escaped", Ready, |out, of| escape(target(of.uri), out)),
    request("rewrite_uri", Uri, |out, of| out.push_str(target(&of.req.head.uri))),
    request("rewrite_uri_escaped", Ready, |out, of| escape(target(&of.req.head.uri), out)),
    request("dir", Path, |out, of| out.push_str(split(&of.current_path()).0)),
    request("file", Path, |out, of| out.push_str(split(&of.current_path()).1)),
    connection("remote", |out, peer| put(out, peer.remote.ip().to_canonical())),
    connection("port", |out, peer| put(out, peer.remote.port())),
    connection("server_port", |out, peer| put(out, peer.local.port())),
    time("when", |out| clock::write(out, Form::Log)),
    time("when_iso", |out| clock::write(out, Form::Iso)),
    time("when_iso_ms", clock::write_iso_ms),
    time("when_iso_local", |out| clock::write(out, Form::IsoLocal)),
    time("when_unix", |out| put(out, Utc::now().timestamp())),
    time("when_unix_ms", |out| put(out, Utc::now().timestamp_millis())),
    word("request", Plain, Read::Head),
    word("request_body", Plain, Read::Content),
    request("request_id", Plain, |out, of| {
        out.push_str(of.req.head.extensions.get::<RequestId>().map_or("", |id| &id.0));
    }),
    request("trace_id", Ready, |out, of| {
        out.push_str(of.req.head.extensions.get::<Trace>().map_or("", Trace::id));
    }),
    request("span_id", Ready, |out, of| {
        out.push_str(of.req.head.extensions.get::<Trace>().map_or("", Trace::span));
    }),
    request("user", Plain, |out, of| out.push_str(of.req.user.as_deref().unwrap_or(""))),
    request("upstream", Ready, |out, of| out.push_str(of.req.upstream.as_deref().unwrap_or(""))),
    machine("mitm", || "unknown".to_owned()),
    connection("tls_cipher", |out, peer| {
        out.push_str(peer.tls.as_ref().map_or("", |tls| tls.cipher));
    }),
    connection("tls_protocol", |out, peer| {
        out.push_str(peer.tls.as_ref().map_or("", |tls| tls.protocol));
    }),
    certificate("tls_client_escaped_cert", client::escaped_pem),
    certificate("tls_client_fingerprint", client::fingerprint),
    certificate("tls_client_i_dn", client::issuer),
    certificate("tls_client_raw_cert", client::pem),
    certificate("tls_client_s_dn", client::subject),
    certificate("tls_client_serial", client::serial),
    certificate("tls_client_v_end", client::not_after),
    certificate("tls_client_v_remain", client::days_left),
    certificate("tls_client_v_start", client::not_before),
    response("status", |out, facts| put(out, facts.status)),
    response("size", |out, facts| put(out, facts.size)),
    response("latency", |out, facts| put(out, format_args!("{:?}", rounded(facts.latency)))),
    response("latency_ms", |out, facts| put(out, facts.latency.as_millis())),
    response("latency_s", |out, facts| {
        put(out, format_args!("{:.6}", facts.latency.as_secs_f64()))
    }),
];

const fn word(name: &'static str, text: Text, read: Read) -> Word {
    Word { name, source: Source::Later(read), text }
}

const fn request(name: &'static str, text: Text, read: fn(&mut String, &Scope<'_>)) -> Word {
    word(name, text, Read::Request(read))
}

const fn connection(name: &'static str, read: fn(&mut String, &Peer)) -> Word {
    word(name, Ready, Read::Connection(read))
}

const fn certificate(name: &'static str, read: fn(&mut String, &[u8])) -> Word {
    word(name, Plain, Read::Certificate(read))
}

const fn time(name: &'static str, read: fn(&mut String)) -> Word {
    word(name, Ready, Read::Time(read))
}

const fn response(name: &'static str, read: fn(&mut String, &ResponseFacts<'_>)) -> Word {
    word(name, Ready, Read::Response(read))
}

const fn machine(name: &'static str, read: fn() -> String) -> Word {
    Word { name, source: Source::Machine(read), text: Ready }
}

fn field(name: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(name.as_bytes()).ok()
}

/// A number from 1, without leading zeros.
fn number(text: &str) -> Option<usize> {
    text.starts_with(|first| matches!(first, '1'..='9')).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What stands for the rest of a name in the documentation.
    const RESTS: &[&str] = &["Name", "name", "N"];

    /// The placeholders that docs/caddyfile.md lists.
    fn documented() -> Vec<String> {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/caddyfile.md");
        let page = std::fs::read_to_string(page).unwrap();
        let table = page.split_once("\n| placeholder | value |\n").unwrap().1;
        let rows = table.lines().take_while(|line| line.starts_with('|')).skip(1);
        let names = rows.flat_map(|row| row.split('|').nth(1).unwrap().split_whitespace());
        let bare = |name: &str| name.strip_prefix("`{")?.strip_suffix("}`").map(str::to_owned);
        names.map(|name| bare(name).unwrap_or_else(|| panic!("{name}"))).collect()
    }

    #[test]
    fn the_documentation_lists_the_table() {
        let documented = documented();
        let words: BTreeSet<_> = WORDS.iter().map(|word| word.name.to_owned()).collect();
        assert_eq!(words.len(), WORDS.len(), "a name stands in the table twice");
        let starts: BTreeSet<_> = FAMILIES.iter().map(|(start, _)| (*start).to_owned()).collect();
        let start = |name: &String| {
            let start = RESTS.iter().find_map(|rest| name.strip_suffix(rest))?;
            starts.contains(start).then(|| start.to_owned())
        };
        let listed = documented.iter().filter(|name| start(name).is_none()).cloned().collect();
        assert_eq!(words, listed);
        assert_eq!(starts, documented.iter().filter_map(&start).collect());
    }

    #[test]
    fn numbers_and_fields_are_checked() {
        for (name, is_known) in [
            ("1", true),
            ("12", true),
            ("0", false),
            ("01", false),
            ("1a", false),
            ("", false),
            ("label2", true),
            ("label", false),
            (">X-A", true),
            (">", false),
            ("<a b", false),
            ("~", true),
            ("?", true),
            ("Method", false),
        ] {
            assert_eq!(Value::named(name).is_some(), is_known, "{name}");
        }
    }
}
