//! Values as text, as Go's `fmt` prints them with `%v`.

use std::fmt::Write as _;

use super::run::Escape;
use super::value::{Joined, Text, Value};

/// A value as text.
pub fn go_string(value: &Value) -> String {
    let mut joined = Joined::default();
    match write(&mut joined, value, usize::MAX) {
        Ok(()) => joined.finish().text.to_string(),
        Err(_) => String::new(),
    }
}

/// Appends a value, as long as the text does not exceed `most` bytes.
pub(super) fn write(out: &mut Joined, value: &Value, most: usize) -> Result<(), String> {
    match value {
        Value::Nil => out.own("<nil>"),
        Value::Bool(value) => out.own(if *value { "true" } else { "false" }),
        Value::Int(value) => out.own(&value.to_string()),
        Value::Float(value) => out.own(&float(*value)),
        Value::Text(text) => out.push(text),
        Value::Moment(moment) => out.own(&moment.shown()),
        Value::Object(object) => out.push(&object.print()),
        Value::List(values) => {
            out.own("[");
            for (at, value) in values.iter().enumerate() {
                out.own(if at == 0 { "" } else { " " });
                write(out, value, most)?;
            }
            out.own("]");
        }
        Value::Map(entries) => {
            out.own("map[");
            for (at, (key, value)) in entries.iter().enumerate() {
                out.own(if at == 0 { "" } else { " " });
                out.push(&Text::foreign(key.as_str()));
                out.own(":");
                write(out, value, most)?;
            }
            out.own("]");
        }
    }
    if out.len() > most {
        return Err("the template makes too much text".to_owned());
    }
    Ok(())
}

/// The shortest text that is the same number; an exponent from 1e21 on and below 1e-4.
pub(super) fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        return exponent(&format!("{value:e}"));
    }
    value.to_string()
}

/// An exponent with its sign and two digits, as Go writes it.
pub(super) fn exponent(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once('e') else { return text.to_owned() };
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// Appends text; its foreign parts are escaped.
pub(super) fn write_escaped(out: &mut String, text: &Text, escape: Escape) {
    let write = match escape {
        Escape::Plain => return out.push_str(&text.text),
        Escape::Html => html,
        Escape::Markdown => markdown,
    };
    let mut from = 0;
    for range in text.ranges() {
        out.push_str(&text.text[from..range.start]);
        write(out, &text.text[range.clone()]);
        from = range.end;
    }
    out.push_str(&text.text[from..]);
}

/// Appends text for HTML, as Go's `html` does.
pub(super) fn html(out: &mut String, text: &str) {
    for next in text.chars() {
        match next {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0' => out.push('\u{fffd}'),
            next => out.push(next),
        }
    }
}

/// Appends text for Markdown. References to characters are text in Markdown and in HTML within it
/// (CommonMark section 2.5), where a backslash would not do.
pub(super) fn markdown(out: &mut String, text: &str) {
    for next in text.chars() {
        match next {
            '\0' => out.push('\u{fffd}'),
            next if means_something(next) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "&#{};", u32::from(next));
            }
            next => out.push(next),
        }
    }
}

/// Whether Markdown may give a character a meaning.
fn means_something(next: char) -> bool {
    next.is_ascii_punctuation() || matches!(next, '\t' | '\n' | '\r')
}

/// Appends text for the inside of a JavaScript string within Markdown.
pub(super) fn js_in_markdown(out: &mut String, text: &str) {
    for next in text.chars() {
        match next {
            next if means_something(next) => {
                let _ = write!(out, "\\u{:04X}", u32::from(next));
            }
            next => js(out, next.encode_utf8(&mut [0; 4])),
        }
    }
}

/// Appends text for the inside of a JavaScript string, as Go's `js` does.
pub(super) fn js(out: &mut String, text: &str) {
    for next in text.chars() {
        match next {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' | '\0'..'\x20' | '\u{2028}' | '\u{2029}' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(next));
            }
            next => out.push(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_foreign_text_begin_nothing_in_markdown() {
        let mut out = String::new();
        markdown(&mut out, "a\n# b\r\tc\0\u{e4}");
        assert_eq!(out, "a&#10;&#35; b&#13;&#9;c\u{fffd}\u{e4}");
    }
}
