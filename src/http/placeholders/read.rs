//! Reads values from a request and its response.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use http::uri::Uri;
use http::{HeaderMap, HeaderName, Version};

use crate::http::Request;

/// Appends a value by `Display`.
pub(super) fn put(out: &mut String, value: impl Display) {
    let written = write!(out, "{value}");
    debug_assert!(written.is_ok(), "a String takes all");
}

/// Rounds to milliseconds, or to microseconds below one.
pub(super) fn rounded(latency: Duration) -> Duration {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    if micros < 1000 {
        return Duration::from_micros(micros);
    }
    Duration::from_millis(micros.saturating_add(500) / 1000)
}

pub(super) fn proto(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

/// As OpenTelemetry writes it (`network.protocol.version`).
pub(super) fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

pub(super) fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |target| target.as_str())
}

/// Splits into the folder with its last slash, and the file.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('/').map_or(0, |at| at + 1))
}

/// Appends all values of a field, separated by commas.
pub(super) fn joined(out: &mut String, headers: &HeaderMap, name: &HeaderName) {
    for (at, value) in headers.get_all(name).iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&String::from_utf8_lossy(value.as_bytes()));
    }
}

/// Appends the head of the request on one line, escaped for a log. Field names are capitalized as
/// in Caddy 1.0, also for HTTP/2 and HTTP/3.
pub(super) fn dump(out: &mut String, req: &Request) {
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
