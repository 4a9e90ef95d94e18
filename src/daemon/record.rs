//! A record of the process log as one line: as text, or as a JSON object with the names of
//! OpenTelemetry's data model of logs.

use std::fmt::Write as _;

use chrono::{Local, SecondsFormat, Utc};

use crate::json_string;

/// The severity of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something failed.
    Error,
    /// Something may fail.
    Warning,
    /// Normal operation, including access log lines.
    Info,
    /// For developers.
    Debug,
}

impl Severity {
    /// As RFC 5424 section 6.2.1 numbers it.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Error => 3,
            Self::Warning => 4,
            Self::Info => 6,
            Self::Debug => 7,
        }
    }
}

/// The form of the lines, `-log-format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// `2006/01/02 15:04:05 [ERROR] text`.
    #[default]
    Text,
    /// `{"timestamp":"2006-01-02T15:04:05.678Z","severity_text":"ERROR",…}`.
    Json,
}

impl Layout {
    /// That of lines which begin like `line`.
    pub(super) fn of(line: &str) -> Self {
        if line.starts_with('{') { Self::Json } else { Self::Text }
    }

    /// The line of a record, without its line feed.
    pub fn line(self, dated: bool, severity: Severity, text: &str) -> String {
        match self {
            Self::Text => plain(dated, severity, text),
            Self::Json => json(dated, severity, text),
        }
    }

    /// The same of at most `most` bytes: the text is cut, the object stays whole.
    pub(super) fn line_within(
        self,
        most: usize,
        dated: bool,
        severity: Severity,
        text: &str,
    ) -> String {
        let mut end = text.len();
        loop {
            let cut = text.get(..text.floor_char_boundary(end)).unwrap_or_default();
            let line = self.line(dated, severity, cut);
            if line.len() <= most || cut.is_empty() {
                return line;
            }
            end = cut.len() / 2;
        }
    }

    /// The line that reports `n` dropped lines, with its line feed.
    pub(super) fn lost_line(self, n: u64) -> String {
        self.line(true, Severity::Warning, &format!("{n} lines lost")) + "\n"
    }
}

fn plain(dated: bool, severity: Severity, text: &str) -> String {
    let word = match severity {
        Severity::Error => "ERROR",
        Severity::Warning => "WARNING",
        Severity::Info => "INFO",
        Severity::Debug => "DEBUG",
    };
    let mut line = String::with_capacity(text.len() + 32);
    if dated {
        // Writing to a String cannot fail.
        let _ = write!(line, "{} ", Local::now().format("%Y/%m/%d %H:%M:%S"));
    }
    let _ = write!(line, "[{word}] ");
    escape(&mut line, text.trim_end_matches('\n'));
    line
}

fn json(dated: bool, severity: Severity, text: &str) -> String {
    let (word, number) = match severity {
        Severity::Error => ("ERROR", 17),
        Severity::Warning => ("WARN", 13),
        Severity::Info => ("INFO", 9),
        Severity::Debug => ("DEBUG", 5),
    };
    let mut line = "{".to_owned();
    if dated {
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let _ = write!(line, r#""timestamp":"{now}","#);
    }
    let _ = write!(line, r#""severity_text":"{word}","severity_number":{number},"body":""#);
    json_string::escape_into(&mut line, text.trim_end_matches('\n'));
    line.push_str("\"}");
    line
}

/// The text of a record, without its line feed.
pub(super) fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    escape(&mut line, text.trim_end_matches('\n'));
    line
}

/// Control characters, so that no record can forge a line.
fn escape(line: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if c.is_control() => drop(write!(line, "\\u{{{:x}}}", u32::from(c))),
            c => line.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn one_line_per_record() {
        for (text, want) in [
            ("plain ü\n", "plain ü"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\x1b[31mred\x7f", "\\u{1b}[31mred\\u{7f}"),
        ] {
            let line = Layout::Text.line(false, Severity::Error, text);
            assert_eq!(line, format!("[ERROR] {want}"));
            let line = Layout::Json.line(true, Severity::Error, text);
            let read: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(read["body"], text.trim_end());
            assert_eq!(
                (&read["severity_text"], &read["severity_number"]),
                (&"ERROR".into(), &17.into())
            );
            let time = read["timestamp"].as_str().unwrap();
            assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok() && time.ends_with('Z'));
            assert!(!line.contains(char::is_control), "{line}");
        }
        let line = Layout::Json.line(false, Severity::Info, "x");
        assert_eq!(line, r#"{"severity_text":"INFO","severity_number":9,"body":"x"}"#);
    }

    #[test]
    fn what_is_cut_is_whole() {
        let text = "\u{1}é".repeat(5000);
        let line = Layout::Json.line_within(1000, true, Severity::Info, &text);
        assert!(line.len() <= 1000, "{}", line.len());
        let read: Value = serde_json::from_str(&line).unwrap();
        assert!(text.starts_with(read["body"].as_str().unwrap()));
        let short = Layout::Text.line_within(1000, false, Severity::Info, "x");
        assert_eq!(short, "[INFO] x");
    }

    #[test]
    fn lost_lines_are_told_like_the_others() {
        let line = Layout::of("{\"a\":1}").lost_line(3);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["body"], "3 lines lost");
        assert!(Layout::of("127.0.0.1 - ").lost_line(3).ends_with(" [WARNING] 3 lines lost\n"));
    }
}
