//! A format that is plain text with placeholders.

use super::object;
use super::segment::{Late, Segment, Written};

const COMMON: &str = r#"{remote} - {user} [{when}] "{method} {uri} {proto}" {status} {size}"#;
const FIELDS: &str = r#" "{>Referer}" "{>User-Agent}""#;

/// The segments of a format; `{common}`, `{combined}` and `{json}` stand for whole ones.
pub(super) fn parse(text: &str) -> Vec<Segment> {
    let whole = text.replace("{common}", COMMON);
    split(&whole.replace("{combined}", &format!("{COMMON}{FIELDS}")))
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
        segments.extend(segments_of(&rest[..=close]));
        rest = &rest[close + 1..];
    }
    text.push_str(rest);
    segments.push(Segment::Text(text));
    segments
}

/// What a placeholder stands for.
fn segments_of(placeholder: &str) -> Vec<Segment> {
    if placeholder == "{json}" {
        return object::segments();
    }
    vec![special(placeholder).unwrap_or_else(|| Segment::value(placeholder, Written::Line))]
}

/// The placeholders that are no values of the request when the chain returns.
pub(super) fn special(placeholder: &str) -> Option<Segment> {
    Some(match placeholder {
        "{remote}" => Segment::Remote,
        "{size}" => Segment::Late(Late::Size),
        "{latency}" => Segment::Late(Late::Latency),
        "{latency_ms}" => Segment::Late(Late::LatencyMs),
        "{latency_s}" => Segment::Late(Late::LatencyS),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
                    Segment::Value(..) | Segment::Member(_) => "<value>".to_owned(),
                    Segment::Remote => "<remote>".to_owned(),
                    Segment::Late(late) => format!("<{late:?}>"),
                })
                .collect();
            assert_eq!(shown, expected, "{format}");
        }
    }
}
