//! A log format: text and placeholders. Values are escaped, so that each request is exactly one
//! line, and that of a JSON format exactly one object.

mod json;
mod object;
mod plain;
mod segment;

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use crate::http::Request;
use crate::http::placeholders::{ResponseFacts, Template, opens_object};
use crate::json_string;
use crate::limits::{LOG_VALUE_BYTES, SYSLOG_BYTES};
pub(super) use segment::Unusable;
use segment::{Late, Member, Segment, Written};

/// A parsed format.
#[derive(Debug, Clone)]
pub(super) struct Format {
    segments: Vec<Segment>,
    /// The size of a line above which its values are cut shorter: a part of a JSON object is none.
    most: usize,
}

/// Marks the place of a [`Late`] value in a line. No value and no format contains it.
const GAP: char = '\0';
/// What the late values of a line may need.
const LATE_BYTES: usize = 64;

impl Format {
    /// Parses a format. Where a `{` before a quote begins a JSON object, the rest has to be one.
    pub(super) fn parse(text: &str) -> Result<Self, Unusable> {
        let text = if text.is_empty() { "{common}" } else { text };
        let text = text.replace(GAP, " ");
        let object = text.match_indices('{').find(|(at, _)| opens_object(&text[*at..]));
        let (plain, json) = text.split_at(object.map_or(text.len(), |(at, _)| at));
        let mut segments = plain::parse(plain);
        if !json.is_empty() {
            segments.extend(json::parse(json)?);
        }
        Ok(Self { segments, most: usize::MAX })
    }

    /// The same for syslog, whose messages are cut.
    pub(super) fn for_syslog(self) -> Self {
        let is_json = |segment: &Segment| match segment {
            Segment::Value(_, written) => *written != Written::Line,
            Segment::Member(_) => true,
            Segment::Text(_) | Segment::Remote | Segment::Late(_) => false,
        };
        let most = if self.segments.iter().any(is_json) { SYSLOG_BYTES } else { self.most };
        Self { most, ..self }
    }

    /// Whether the format includes the request's body.
    pub(super) fn wants_body(&self) -> bool {
        let wants = |segment: &Segment| matches!(segment, Segment::Value(v, _) if v.wants_body());
        self.segments.iter().any(wants)
    }

    /// The line with the values that are known when the chain returns.
    pub(super) fn begin(&self, req: &Request, facts: &ResponseFacts<'_>, client: IpAddr) -> String {
        let mut most = LOG_VALUE_BYTES;
        loop {
            let line = Known { req, facts, client, most }.line(&self.segments);
            if most == 0 || line.len() + LATE_BYTES <= self.most {
                return line;
            }
            most /= 2;
        }
    }

    /// Inserts the remaining values into a line.
    pub(super) fn end(&self, begun: &str, size: u64, latency: Duration) -> String {
        let mut line = String::with_capacity(begun.len() + LATE_BYTES);
        let mut late = self.segments.iter().filter_map(|segment| match segment {
            Segment::Late(late) => Some(*late),
            Segment::Text(_) | Segment::Value(..) | Segment::Remote | Segment::Member(_) => None,
        });
        for text in begun.split(GAP) {
            line.push_str(text);
            let _ = match late.next() {
                Some(Late::Size) => write!(line, "{size}"),
                Some(Late::Latency) => write!(line, "{}", rounded(latency)),
                Some(Late::LatencyMs) => write!(line, "{}", latency.as_millis()),
                Some(Late::LatencyS) => write!(line, "{:.6}", latency.as_secs_f64()),
                None => Ok(()),
            };
        }
        line
    }
}

/// What is known of a request when the chain returns.
struct Known<'a> {
    req: &'a Request,
    facts: &'a ResponseFacts<'a>,
    client: IpAddr,
    /// The maximum size of a value.
    most: usize,
}

impl Known<'_> {
    fn line(&self, segments: &[Segment]) -> String {
        let mut line = String::with_capacity(256);
        for segment in segments {
            match segment {
                Segment::Text(text) => line.push_str(text),
                Segment::Value(value, written) => self.value(&mut line, value, *written),
                // Writing to a String cannot fail.
                Segment::Remote => drop(write!(line, "{}", self.client)),
                Segment::Late(_) => line.push(GAP),
                Segment::Member(member) => self.member(&mut line, member),
            }
        }
        line
    }

    fn value(&self, line: &mut String, value: &Template, written: Written) {
        let start = line.len();
        let is_line = matches!(written, Written::Line | Written::LineInside);
        value.expand_into(line, self.req, Some(self.facts), if is_line { "-" } else { "" });
        let is_empty = line.len() == start;
        match written {
            // {request} is escaped already.
            Written::Line if value.is_escaped() => {
                line.truncate(line.floor_char_boundary(start + self.most));
            }
            Written::Line => escape(line, start, self.most, for_line),
            Written::LineInside if !value.is_escaped() => {
                escape(line, start, self.most, for_line);
                escape(line, start, usize::MAX, json_string::escape_into);
            }
            Written::Inside | Written::LineInside => {
                escape(line, start, self.most, json_string::escape_into);
            }
            Written::Quoted | Written::Number if is_empty => line.push_str("null"),
            Written::Number => {}
            Written::Quoted => {
                line.insert(start, '"');
                escape(line, start + 1, self.most, json_string::escape_into);
                line.push('"');
            }
        }
    }

    fn member(&self, line: &mut String, member: &Member) {
        let before = line.len();
        line.push_str(&member.start);
        let start = line.len();
        member.value.expand_into(line, self.req, Some(self.facts), "");
        if line.len() == start {
            return line.truncate(before);
        }
        if line[start..].starts_with(member.prefix) {
            line.replace_range(start..start + member.prefix.len(), "");
        }
        escape(line, start, self.most, json_string::escape_into);
        line.push_str(member.end);
    }
}

/// Cuts the value from `start` on, and has it escaped if it is not all plain.
fn escape(line: &mut String, start: usize, most: usize, write: fn(&mut String, &str)) {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    let value = line.as_bytes().get(start..).unwrap_or_default();
    if value.len() <= most && value.iter().all(is_plain) {
        return;
    }
    let value = line.split_off(start);
    let end = value.floor_char_boundary(most);
    write(line, value.get(..end).unwrap_or_default());
    if end < value.len() {
        line.push_str("...");
    }
}

/// Escapes control characters, line separators, quotes and backslashes.
fn for_line(line: &mut String, value: &str) {
    for c in value.chars() {
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
            escape(&mut line, 2, LOG_VALUE_BYTES, for_line);
            assert_eq!(line, format!("\\ {expected}"));
        }
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let mut line = format!("x{}", "é".repeat(1 << 19));
        escape(&mut line, 0, LOG_VALUE_BYTES, for_line);
        assert_eq!(line.len(), LOG_VALUE_BYTES - 1 + 3);
    }

    #[test]
    fn what_is_no_object_is_told_with_its_place() {
        for (format, told) in [
            (r#"{"a":"{uri}""#, "at its end: EOF while parsing an object"),
            (r#"{"a":"{uri}" "b":1}"#, r#"at '"b":1}': expected `,` or `}`"#),
            (r#"{"a":"{uri}",}"#, "at '}': trailing comma"),
            (r#"{"a":{uri}x}"#, "at 'x}': expected `,` or `}`"),
            (r#"{"a":1} {status}"#, "at '{status}': trailing characters"),
            (r#"{"a":"{uri}}"#, "at its end: EOF while parsing a string"),
            ("{\"a\":\"x\ny\"}", "control character"),
            (r#"'{"a":"{uri}"}'"#, "at ''': trailing characters"),
            (r#"{"a":"{json}"}"#, "{json} is an object"),
        ] {
            let message = Format::parse(format).map(drop).unwrap_err().message;
            assert!(message.contains(told), "{format}: {message}");
        }
    }

    #[test]
    fn what_is_an_object_or_plain_text() {
        for format in [
            r#"{"a":"{uri}"}"#,
            r#"{ "a" : { "b": {status} , "c": [{remote}, {latency}, {}] }, "d": {} }"#,
            "{\n\t\"a\": {json},\n\t\"b\": \"{combined}\"\n}",
            r#"@cee: {"a":"{uri}"}"#,
            r#"{"a":"\{b\} {not a name} {} \\ \" é"}"#,
            "{common}",
            "[{when}] \"{method} {uri}\"",
            "{host",
        ] {
            let parsed = Format::parse(format);
            assert!(parsed.is_ok(), "{format}: {parsed:?}");
        }
    }
}
