//! A log format: text and placeholders. Values are escaped, so that each request is exactly one
//! line.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use crate::http::Request;
use crate::http::placeholders::{ResponseFacts, Template};
use crate::limits::LOG_VALUE_BYTES;

const COMMON: &str = r#"{remote} - {user} [{when}] "{method} {uri} {proto}" {status} {size}"#;
const FIELDS: &str = r#" "{>Referer}" "{>User-Agent}""#;

/// A parsed format.
#[derive(Debug, Clone)]
pub(super) struct Format(Vec<Segment>);

#[derive(Debug, Clone)]
enum Segment {
    Text(String),
    /// A placeholder whose value is known when the chain returns.
    Value(Template),
    /// The client's address, which `ipmask` may shorten.
    Remote,
    Late(Late),
}

/// A value that is known only when the body has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Late {
    Size,
    Latency,
    LatencyMs,
}

/// Marks the place of a [`Late`] value in a line. No value and no format contains it.
const GAP: char = '\0';

impl Format {
    /// Parses a format; `{common}` and `{combined}` are replaced by their formats.
    pub(super) fn parse(text: &str) -> Self {
        let text = if text.is_empty() { "{common}" } else { text };
        let whole = text.replace("{common}", COMMON);
        let whole = whole.replace("{combined}", &format!("{COMMON}{FIELDS}"));
        Self(split(&whole.replace(GAP, " ")))
    }

    /// Whether the format includes the request's body.
    pub(super) fn wants_body(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Segment::Value(value) if value.wants_body()))
    }

    /// The line with the values that are known when the chain returns.
    pub(super) fn begin(&self, req: &Request, facts: &ResponseFacts<'_>, client: IpAddr) -> String {
        let mut line = String::with_capacity(256);
        for segment in &self.0 {
            match segment {
                Segment::Text(text) => line.push_str(text),
                Segment::Value(value) => {
                    let start = line.len();
                    value.expand_into(&mut line, req, Some(facts), "-");
                    // {request} is escaped already.
                    if value.is_escaped() {
                        line.truncate(line.floor_char_boundary(start + LOG_VALUE_BYTES));
                    } else {
                        escape(&mut line, start);
                    }
                }
                // Writing to a String cannot fail.
                Segment::Remote => drop(write!(line, "{client}")),
                Segment::Late(_) => line.push(GAP),
            }
        }
        line
    }

    /// Inserts the remaining values into a line.
    pub(super) fn end(&self, begun: &str, size: u64, latency: Duration) -> String {
        let mut line = String::with_capacity(begun.len() + 16);
        let mut late = self.0.iter().filter_map(|segment| match segment {
            Segment::Late(late) => Some(*late),
            Segment::Text(_) | Segment::Value(_) | Segment::Remote => None,
        });
        for text in begun.split(GAP) {
            line.push_str(text);
            let _ = match late.next() {
                Some(Late::Size) => write!(line, "{size}"),
                Some(Late::Latency) => write!(line, "{}", rounded(latency)),
                Some(Late::LatencyMs) => write!(line, "{}", latency.as_millis()),
                None => Ok(()),
            };
        }
        line
    }
}

/// Splits at placeholders. `\{` and `\}` are braces; an unpaired `{` is text.
fn split(format: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut text = String::new();
    let mut rest = format;
    while let Some(at) = rest.find(['\\', '{']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(brace) = ["\\{", "\\}"].into_iter().find(|brace| rest.starts_with(brace)) {
            text.push_str(&brace[1..]);
            rest = &rest[2..];
            continue;
        }
        let close = if rest.starts_with('{') { rest.find('}') } else { None };
        let Some(close) = close else {
            text.push_str(&rest[..1]);
            rest = &rest[1..];
            continue;
        };
        if !text.is_empty() {
            segments.push(Segment::Text(std::mem::take(&mut text)));
        }
        segments.push(segment(&rest[..=close]));
        rest = &rest[close + 1..];
    }
    text.push_str(rest);
    segments.push(Segment::Text(text));
    segments
}

fn segment(placeholder: &str) -> Segment {
    match placeholder {
        "{remote}" => Segment::Remote,
        "{size}" => Segment::Late(Late::Size),
        "{latency}" => Segment::Late(Late::Latency),
        "{latency_ms}" => Segment::Late(Late::LatencyMs),
        other => Segment::Value(Template::parse(other)),
    }
}

/// Escapes control characters, line separators, quotes and backslashes of the value from `start`
/// on.
fn escape(line: &mut String, start: usize) {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    let value = line.as_bytes().get(start..).unwrap_or_default();
    if value.len() <= LOG_VALUE_BYTES && value.iter().all(is_plain) {
        return;
    }
    let value = line.split_off(start);
    let end = value.floor_char_boundary(LOG_VALUE_BYTES);
    for c in value.get(..end).unwrap_or_default().chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '"' | '\\' => line.extend(['\\', c]),
            c if c.is_control() => drop(write!(line, "\\x{:02x}", u32::from(c))),
            '\u{2028}' | '\u{2029}' => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
    }
    if end < value.len() {
        line.push_str("...");
    }
}

/// As in Caddy v1: whole milliseconds, or whole microseconds below one, in Go's notation.
fn rounded(latency: Duration) -> String {
    if latency < Duration::from_millis(1) {
        return match latency.as_micros() {
            0 => format!("{}ns", latency.as_nanos()),
            micros => format!("{micros}µs"),
        };
    }
    let ms = (latency.as_micros() + 500) / 1000;
    if ms < 1000 {
        return format!("{ms}ms");
    }
    let (minutes, ms) = (ms / 60_000, ms % 60_000);
    let mut seconds = format!("{}.{:03}", ms / 1000, ms % 1000);
    seconds.truncate(seconds.trim_end_matches('0').trim_end_matches('.').len());
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (micros, expected) in [
            (0, "0ns"),
            (345, "345µs"),
            (12_400, "12ms"),
            (999_600, "1s"),
            (1_234_000, "1.234s"),
            (1_200_000, "1.2s"),
            (60_000_000, "1m0s"),
            (3_723_500_000, "1h2m3.5s"),
        ] {
            assert_eq!(rounded(Duration::from_micros(micros)), expected);
        }
    }

    #[test]
    fn one_request_is_one_line() {
        for (value, expected) in [
            ("plain é", "plain é"),
            ("a\nFAKE\r\t", "a\\nFAKE\\r\\t"),
            ("\u{1b}[2J\u{7f}\u{85}\0", "\\x1b[2J\\x7f\\x85\\x00"),
            ("say \"x\" \\", "say \\\"x\\\" \\\\"),
            ("\u{2028}", "\\u{2028}"),
        ] {
            let mut line = format!("\\ {value}");
            escape(&mut line, 2);
            assert_eq!(line, format!("\\ {expected}"));
        }
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let mut line = format!("x{}", "é".repeat(1 << 19));
        escape(&mut line, 0);
        assert_eq!(line.len(), LOG_VALUE_BYTES - 1 + 3);
    }

    #[test]
    fn formats() {
        for (format, expected) in [
            ("plain", "plain"),
            ("{size}", "<Size>"),
            ("a {remote} b{latency_ms}", "a <remote> b<LatencyMs>"),
            ("{method}/{host", "<value>/{host"),
            ("{a {b} c", "<value> c"),
            ("\\{size\\} {size} \\n", "{size} <Size> \\n"),
        ] {
            let shown: String = split(format)
                .iter()
                .map(|segment| match segment {
                    Segment::Text(text) => text.clone(),
                    Segment::Value(_) => "<value>".to_owned(),
                    Segment::Remote => "<remote>".to_owned(),
                    Segment::Late(late) => format!("<{late:?}>"),
                })
                .collect();
            assert_eq!(shown, expected, "{format}");
        }
    }
}
