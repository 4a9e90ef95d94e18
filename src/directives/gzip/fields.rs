//! The header fields about the content of a response that is, or may be, compressed.

use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_NONE_MATCH, TRAILER,
};

use super::encoder::Coding;
use crate::http::response::DIGESTS;

/// Compressible types that the name patterns do not cover.
const COMPRESSIBLE: [&str; 26] = [
    "application/ecmascript",
    "application/javascript",
    "application/json",
    "application/jsonlines",
    "application/msword",
    "application/postscript",
    "application/rtf",
    "application/sql",
    "application/toml",
    "application/vnd.apple.mpegurl",
    "application/vnd.ms-excel",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/x-sh",
    "application/x-yaml",
    "application/xml",
    "application/yaml",
    "audio/x-mpegurl",
    "font/collection",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/vnd.microsoft.icon",
    "image/x-icon",
];

/// Whether content of this type is compressible: text, text-based formats, and formats without
/// compression.
pub(super) fn is_compressible(content_type: &HeaderValue) -> bool {
    let text = String::from_utf8_lossy(content_type.as_bytes());
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || ["+json", "+xml", "+yaml", "+text"].iter().any(|suffix| essence.ends_with(suffix))
        || COMPRESSIBLE.binary_search(&essence.as_str()).is_ok()
}

/// Changes the fields to those of the compressed content.
pub(super) fn recode(headers: &mut HeaderMap, coding: Coding) {
    headers.remove(CONTENT_LENGTH);
    headers.remove(ACCEPT_RANGES);
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    weaken_etag(headers);
    remove_sums(headers);
    announce_no_sums(headers);
}

/// A strong tag does not identify the compressed bytes (RFC 9110 section 8.8.1).
pub(super) fn weaken_etag(headers: &mut HeaderMap) {
    let Some(strong) = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")) else {
        return;
    };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", strong.as_bytes()].concat()) {
        headers.insert(ETAG, weak);
    }
}

/// Whether the client sent exactly the tag of a 304: it has the uncompressed content, as the tag of
/// the compressed one is weak.
pub(super) fn has_as_it_was(request: &HeaderMap, headers: &HeaderMap) -> bool {
    let Some(tag) = headers.get(ETAG).and_then(|tag| tag.to_str().ok()) else { return false };
    let values = request.get_all(IF_NONE_MATCH).into_iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim() == tag)
}

/// Removes digests from a header or trailer section.
pub(super) fn remove_sums(headers: &mut HeaderMap) {
    for name in DIGESTS {
        headers.remove(name);
    }
}

fn is_sum(name: &str) -> bool {
    DIGESTS.iter().any(|sum| name.eq_ignore_ascii_case(sum))
}

/// Removes them from the announced trailers.
fn announce_no_sums(headers: &mut HeaderMap) {
    let names = |value: &HeaderValue| value.to_str().map(str::to_owned).unwrap_or_default();
    let announced: Vec<String> = headers.get_all(TRAILER).iter().map(names).collect();
    let all = || announced.iter().flat_map(|value| value.split(',')).map(str::trim);
    if !all().any(is_sum) {
        return;
    }
    let left: Vec<HeaderName> =
        all().filter(|name| !is_sum(name)).filter_map(|name| name.parse().ok()).collect();
    headers.remove(TRAILER);
    for name in left {
        headers.append(TRAILER, name.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_get_smaller() {
        assert!(COMPRESSIBLE.is_sorted());
        for (kind, expected) in [
            ("text/html; charset=utf-8", true),
            ("TEXT/Plain", true),
            ("application/json", true),
            ("application/vnd.api+json;v=1", true),
            ("image/svg+xml", true),
            ("image/x-icon", true),
            ("image/png", false),
            ("video/mp4", false),
            ("font/woff2", false),
            ("application/zip", false),
            ("application/octet-stream", false),
            ("multipart/byteranges; boundary=x", false),
            ("", false),
        ] {
            assert_eq!(is_compressible(&HeaderValue::from_static(kind)), expected, "{kind}");
        }
    }

    #[test]
    fn announced_trailers_lose_the_sums_alone() {
        for (announced, left) in [
            ("X-A, Content-Digest, X-B", &["x-a", "x-b"][..]),
            ("digest", &[]),
            ("X-A, X-B", &["X-A, X-B"]),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(TRAILER, HeaderValue::from_static(announced));
            announce_no_sums(&mut headers);
            assert_eq!(headers.get_all(TRAILER).iter().collect::<Vec<_>>(), left, "{announced}");
        }
    }
}
