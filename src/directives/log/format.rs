//! A log format: text between values. A value is escaped, so that whatever a client sends, one
//! request is one line.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use crate::http::Request;
use crate::http::placeholders::{ResponseFacts, Template};

const COMMON: &str = r#"{remote} - {user} [{when}] "{method} {uri} {proto}" {status} {size}"#;
const FIELDS: &str = r#" "{>Referer}" "{>User-Agent}""#;

/// Bytes of one value that reach the log.
const LONGEST: usize = 8 * 1024;

/// A format, parsed.
#[derive(Debug, Clone)]
pub(super) struct Format(Vec<Segment>);

#[derive(Debug, Clone)]
enum Segment {
    Text(String),
    /// One placeholder, known when the chain returns.
    Value(Template),
    /// The client's address, which `ipmask` may shorten.
    Remote,
    Late(Late),
}

/// What is known only when the body has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Late {
    Size,
    Latency,
    LatencyMs,
}

/// A line that lacks what comes [`Late`]: each gap follows its text.
#[derive(Debug)]
pub(super) struct Line {
    gaps: Vec<(String, Late)>,
    rest: String,
}

impl Format {
    /// Parses; `{common}` and `{combined}` stand for whole formats.
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "" | "{common}" => Self(split(COMMON)),
            "{combined}" => Self(split(&format!("{COMMON}{FIELDS}"))),
            own => Self(split(own)),
        }
    }

    /// Whether the request's body is part of it.
    pub(super) fn wants_body(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Segment::Value(value) if value.wants_body()))
    }

    /// Fills in what is known when the chain returns.
    pub(super) fn begin(&self, req: &Request, facts: &ResponseFacts<'_>, client: IpAddr) -> Line {
        let mut line = Line { gaps: Vec::new(), rest: String::with_capacity(128) };
        for segment in &self.0 {
            match segment {
                Segment::Text(text) => line.rest.push_str(text),
                Segment::Value(value) => {
                    escape(&value.expand(req, Some(facts), "-"), &mut line.rest);
                }
                Segment::Remote => {
                    let _ = write!(line.rest, "{client}");
                }
                Segment::Late(late) => line.gaps.push((std::mem::take(&mut line.rest), *late)),
            }
        }
        line
    }
}

impl Line {
    /// Fills in the rest.
    pub(super) fn end(self, size: u64, latency: Duration) -> String {
        let mut line = String::new();
        for (text, late) in self.gaps {
            line.push_str(&text);
            // Writing to a String cannot fail.
            let _ = match late {
                Late::Size => write!(line, "{size}"),
                Late::Latency => write!(line, "{}", rounded(latency)),
                Late::LatencyMs => write!(line, "{}", latency.as_millis()),
            };
        }
        line.push_str(&self.rest);
        line
    }
}

/// At placeholders. `\{` and `\}` are braces; an unpaired `{` is text.
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

/// Control characters, line separators, quotes and backslashes become escapes.
fn escape(value: &str, line: &mut String) {
    let mut end = value.len().min(LONGEST);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    for c in value[..end].chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '"' | '\\' => line.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(line, "\\x{:02x}", u32::from(c));
            }
            '\u{2028}' | '\u{2029}' => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
    }
    if end < value.len() {
        line.push_str("...");
    }
}

/// As v1 wrote it: whole milliseconds, or whole microseconds below one, in Go's notation.
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
            let mut line = String::new();
            escape(value, &mut line);
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let mut line = String::new();
        escape(&format!("x{}", "é".repeat(1 << 19)), &mut line);
        assert_eq!(line.len(), LONGEST - 1 + 3);
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
