//! What each placeholder stands for.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use chrono::Utc;
use http::uri::Uri;
use http::{HeaderMap, HeaderName, Version, header};
use percent_encoding::percent_decode_str;

use super::body::RequestBody;
use super::client::Field;
use super::clock::{self, Form};
use super::escape::escape;
use super::facts::{Captures, RequestId, ResponseFacts};
use crate::http::Request;
use crate::http::paths::normal;

/// One placeholder.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Method,
    Proto,
    Scheme,
    Host,
    HostOnly,
    /// The machine's own name, asked once.
    Hostname(String),
    Path,
    PathEscaped,
    RewritePath,
    RewritePathEscaped,
    Query,
    QueryEscaped,
    Uri,
    UriEscaped,
    RewriteUri,
    RewriteUriEscaped,
    Dir,
    File,
    Remote,
    Port,
    ServerPort,
    When,
    WhenIso,
    WhenIsoLocal,
    WhenUnix,
    WhenUnixMs,
    Request,
    RequestBody,
    RequestId,
    User,
    Upstream,
    Mitm,
    TlsCipher,
    TlsProtocol,
    /// What the client's certificate says.
    Client(Field),
    Status,
    Size,
    Latency,
    LatencyMs,
    RequestField(HeaderName),
    ResponseField(HeaderName),
    Argument(String),
    Cookie(String),
    /// The host's labels, from 1 on the left.
    Label(usize),
    /// A rewrite's captures, from 1.
    Capture(usize),
}

/// What values are taken from.
pub(super) struct Scope<'a> {
    pub(super) req: &'a Request,
    pub(super) resp: Option<&'a ResponseFacts<'a>>,
    pub(super) captures: Option<&'a Captures>,
    /// The URI of `{path}`, `{query}` and `{uri}`.
    pub(super) uri: &'a Uri,
    /// Whether paths are decoded.
    pub(super) decoded: bool,
}

impl<'a> Scope<'a> {
    pub(super) fn of(req: &'a Request) -> Self {
        Self { req, resp: None, captures: None, uri: &req.original_uri, decoded: false }
    }

    fn path(&self, path: &'a str) -> Cow<'a, str> {
        if self.decoded { normal(path) } else { path.into() }
    }
}

impl Value {
    pub(super) fn hostname() -> Self {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self::Hostname(name.trim().to_owned())
    }

    /// Appends the value; nothing where it is unknown here.
    pub(super) fn write(&self, out: &mut String, scope: &Scope<'_>) {
        let Scope { req, uri, .. } = *scope;
        match self {
            Self::Method => out.push_str(req.head.method.as_str()),
            Self::Proto => out.push_str(proto(req.head.version)),
            Self::Scheme => out.push_str(req.scheme()),
            Self::Host => out.push_str(req.host_field()),
            Self::HostOnly => out.push_str(&req.host),
            Self::Hostname(name) => out.push_str(name),
            Self::Path => out.push_str(&scope.path(uri.path())),
            Self::PathEscaped => escape(&normal(uri.path()), out),
            Self::RewritePath => out.push_str(&scope.path(req.path())),
            Self::RewritePathEscaped => escape(&normal(req.path()), out),
            Self::Query => out.push_str(uri.query().unwrap_or("")),
            Self::QueryEscaped => escape(uri.query().unwrap_or(""), out),
            Self::Uri => out.push_str(target(uri)),
            Self::UriEscaped => escape(target(uri), out),
            Self::RewriteUri => out.push_str(target(&req.head.uri)),
            Self::RewriteUriEscaped => escape(target(&req.head.uri), out),
            Self::Dir => out.push_str(split(&scope.path(req.path())).0),
            Self::File => out.push_str(split(&scope.path(req.path())).1),
            Self::Request => dump(req, out),
            Self::RequestBody => {
                if let Some(copy) = req.head.extensions.get::<RequestBody>() {
                    copy.write(out);
                }
            }
            Self::Client(field) => {
                if let Some(der) = req.peer.tls.as_ref().and_then(|tls| tls.client.as_deref()) {
                    field.write(der, out);
                }
            }
            Self::RequestId => {
                out.push_str(req.head.extensions.get::<RequestId>().map_or("", |id| &id.0));
            }
            Self::User => out.push_str(req.user.as_deref().unwrap_or("")),
            Self::Upstream => out.push_str(req.upstream.as_deref().unwrap_or("")),
            Self::RequestField(name) => joined(&req.head.headers, name, out),
            Self::Argument(name) => argument(uri.query().unwrap_or(""), name, out),
            Self::Cookie(name) => cookie(&req.head.headers, name, out),
            Self::Label(n) => out
                .push_str(n.checked_sub(1).and_then(|n| req.host.split('.').nth(n)).unwrap_or("")),
            Self::Capture(n) => out.push_str(
                scope.captures.and_then(|c| c.0.get(n.wrapping_sub(1))).map_or("", |text| text),
            ),
            Self::Mitm => out.push_str("unknown"),
            _ => self.write_connection(out, scope),
        }
    }

    fn write_connection(&self, out: &mut String, scope: &Scope<'_>) {
        let peer = &scope.req.peer;
        let written = match self {
            Self::Remote => write!(out, "{}", peer.remote.ip().to_canonical()),
            Self::Port => write!(out, "{}", peer.remote.port()),
            Self::ServerPort => write!(out, "{}", peer.local.port()),
            Self::TlsCipher => {
                write!(out, "{}", peer.tls.as_ref().map_or("", |tls| tls.cipher))
            }
            Self::TlsProtocol => {
                write!(out, "{}", peer.tls.as_ref().map_or("", |tls| tls.protocol))
            }
            Self::When => return clock::write(out, Form::Log),
            Self::WhenIso => return clock::write(out, Form::Iso),
            Self::WhenIsoLocal => return clock::write(out, Form::IsoLocal),
            Self::WhenUnix => write!(out, "{}", Utc::now().timestamp()),
            Self::WhenUnixMs => write!(out, "{}", Utc::now().timestamp_millis()),
            _ => return scope.resp.map_or((), |facts| self.write_response(out, facts)),
        };
        debug_assert!(written.is_ok(), "a String takes all");
    }

    fn write_response(&self, out: &mut String, facts: &ResponseFacts<'_>) {
        let written = match self {
            Self::Status => write!(out, "{}", facts.status),
            Self::Size => write!(out, "{}", facts.size),
            Self::Latency => write!(out, "{:?}", rounded(facts.latency)),
            Self::LatencyMs => write!(out, "{}", facts.latency.as_millis()),
            Self::ResponseField(name) => {
                joined(facts.headers, name, out);
                Ok(())
            }
            _ => Ok(()),
        };
        debug_assert!(written.is_ok(), "a String takes all");
    }
}

/// Whole milliseconds, or whole microseconds below one.
fn rounded(latency: Duration) -> Duration {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    if micros < 1000 {
        return Duration::from_micros(micros);
    }
    Duration::from_millis(micros.saturating_add(500) / 1000)
}

fn proto(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |target| target.as_str())
}

/// Folder with its last slash, and file.
fn split(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('/').map_or(0, |at| at + 1))
}

fn joined(headers: &HeaderMap, name: &HeaderName, out: &mut String) {
    for (at, value) in headers.get_all(name).iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&String::from_utf8_lossy(value.as_bytes()));
    }
}

/// The first value of a query's argument, decoded.
fn argument(query: &str, wanted: &str, out: &mut String) {
    let decode =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    if let Some((_, value)) = pairs.into_iter().find(|(name, _)| decode(name) == wanted) {
        out.push_str(&decode(value));
    }
}

fn cookie(headers: &HeaderMap, wanted: &str, out: &mut String) {
    for line in headers.get_all(header::COOKIE) {
        let line = String::from_utf8_lossy(line.as_bytes());
        let mut pairs = line.split(';').filter_map(|pair| pair.trim().split_once('='));
        if let Some((_, value)) = pairs.find(|(name, _)| *name == wanted) {
            let bare = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            out.push_str(bare.unwrap_or(value));
            return;
        }
    }
}

/// The request's head on one line, escaped as a log needs it. Names are in the form that Caddy 1.0
/// gave them: HTTP/2 and HTTP/3 send them in lower case.
fn dump(req: &Request, out: &mut String) {
    let head = &req.head;
    let (uri, proto) = (target(&req.original_uri), proto(head.version));
    out.extend([head.method.as_str(), " ", uri, " ", proto, "\\r\\n"]);
    for (name, value) in &head.headers {
        let mut starts = true;
        for c in name.as_str().chars() {
            out.push(if starts { c.to_ascii_uppercase() } else { c });
            starts = c == '-';
        }
        out.push_str(": ");
        for c in String::from_utf8_lossy(value.as_bytes()).chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                c if c.is_control() => drop(write!(out, "\\x{:02x}", u32::from(c))),
                '\u{2028}' | '\u{2029}' => out.extend(c.escape_unicode()),
                c => out.push(c),
            }
        }
        out.push_str("\\r\\n");
    }
    out.push_str("\\r\\n");
}
