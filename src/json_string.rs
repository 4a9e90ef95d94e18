//! Text as the inside of a JSON string. The result has no line end of any kind and no control
//! character, so that a line of a log stays one line in every reader and terminal.

use std::fmt::Write as _;

/// Appends the text, escaped.
pub fn escape_into(out: &mut String, text: &str) {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if text.bytes().all(is_plain) {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // All of them are below U+10000. Writing to a String cannot fail.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

/// The text, escaped.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape_into(&mut out, text);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back_from_one_line() {
        let all: String = ('\0'..='\u{3000}').chain(['\u{fffd}', '\u{10ffff}', '😀']).collect();
        for text in ["", "plain", "say \"x\" \\ é", all.as_str()] {
            let line = escaped(text);
            assert!(!line.contains(|c: char| c.is_control() || "\u{2028}\u{2029}".contains(c)));
            let read: String = serde_json::from_str(&format!("\"{line}\"")).unwrap();
            assert_eq!(read, text);
        }
        assert_eq!(escaped("a\n\u{85}\u{9b}\u{7f}\u{2028}"), "a\\n\\u0085\\u009b\\u007f\\u2028");
    }
}
