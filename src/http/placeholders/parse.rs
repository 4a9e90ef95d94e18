//! Parses text into parts.

use super::table::Value;

/// A piece of a template.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Text(String),
    Value(Value),
    /// An unknown name.
    Unknown(String),
}

/// A placeholder extends from `{` to the next `}`. The `{` before a quote begins a JSON object, and
/// is text.
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
        let begins = rest[at..].starts_with('{') && !opens_object(&rest[at..]);
        let end = if begins { closing(&rest[at + 1..]) } else { None };
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
        parts.push(Value::named(name).map_or_else(|| Part::Unknown(name.to_owned()), Part::Value));
        rest = &rest[at + end + 2..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    parts
}

/// Whether the text, which begins with `{`, is a JSON object's first name.
pub fn opens_object(text: &str) -> bool {
    text.strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with('"'))
}

/// The position of the first `}` that is not escaped.
fn closing(text: &str) -> Option<usize> {
    text.match_indices('}').map(|(at, _)| at).find(|at| !text[..*at].ends_with('\\'))
}
