//! Text in HTML.

use http::header::{CONTENT_TYPE, HeaderMap};

/// Whether `<` in the content begins a tag.
pub fn is_markup(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
    let kind = String::from_utf8_lossy(kind).to_ascii_lowercase();
    kind.contains("html") || kind.contains("xml")
}

/// Text as content, or as the value of an attribute in quotes.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;")
}
