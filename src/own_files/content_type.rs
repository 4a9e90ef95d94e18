//! Determines the content type by the file extension, else by the first bytes.

use std::path::Path;

/// Bytes that [`by_content`] uses.
pub const SAMPLE: u64 = 512;

/// The type for the extension; text types get the charset UTF-8.
pub fn by_name(path: &Path) -> Option<String> {
    let known = mime_guess::from_path(path).first_raw()?;
    let textual = known.starts_with("text/") || known == "application/javascript";
    Some(if textual { format!("{known}; charset=utf-8") } else { known.to_owned() })
}

/// HTML, other text or binary. Only for names without a known extension.
pub fn by_content(sample: &[u8]) -> &'static str {
    const HTML: [&[u8]; 4] = [b"<!doctype html", b"<html", b"<head", b"<body"];
    let start = sample.trim_ascii_start();
    let is_html = HTML
        .iter()
        .any(|tag| start.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag)));
    let is_binary = |b: &u8| *b < 0x20 && !b"\t\n\x0c\r\x1b".contains(b);
    if is_html {
        "text/html; charset=utf-8"
    } else if sample.iter().any(is_binary) {
        "application/octet-stream"
    } else {
        "text/plain; charset=utf-8"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, expected) in [
            ("a.html", Some("text/html; charset=utf-8")),
            ("a.css", Some("text/css; charset=utf-8")),
            ("a.js", Some("text/javascript; charset=utf-8")),
            ("a.png", Some("image/png")),
            ("a.json", Some("application/json")),
            ("a.wasm", Some("application/wasm")),
            ("LICENSE", None),
        ] {
            assert_eq!(by_name(Path::new(name)).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn contents() {
        for (sample, expected) in [
            (&b"plain words"[..], "text/plain; charset=utf-8"),
            (b"", "text/plain; charset=utf-8"),
            (b"\n <!DOCTYPE HTML><p>", "text/html; charset=utf-8"),
            (b"\x7fELF\x02\x01\x01\0", "application/octet-stream"),
        ] {
            assert_eq!(by_content(sample), expected);
        }
    }
}
