//! Request targets: the allowed characters, targets that the server creates, and the file that a
//! path denotes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use http::Uri;
use http::uri::InvalidUri;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::paths;

/// Characters that are not allowed in a target (RFC 3986 section 3.3).
pub const IN_TARGET: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'|');

/// By byte: whether it is allowed in a path, and in a query. More than in RFC 3986 section 3.3, as
/// clients send more.
const ALLOWED: [u8; 256] = allowed();
const PATH: u8 = 1;
const QUERY: u8 = 2;

const fn allowed() -> [u8; 256] {
    let mut allowed = [0; 256];
    let mut byte = 0x21;
    while byte < 256 {
        allowed[byte] = match byte as u8 {
            b'#' | b'<' | b'>' | 0x7f => 0,
            b'"' => PATH,
            b'`' => QUERY,
            _ => PATH | QUERY,
        };
        byte += 1;
    }
    allowed
}

/// Whether path and query of a request target are allowed: UTF-8, no fragment, and no character
/// that must be percent-encoded and that servers interpret differently.
pub fn is_allowed(target: &[u8]) -> bool {
    let (mut part, mut is_ascii) = (PATH, true);
    let is_allowed = target.iter().all(|byte| {
        let is_allowed = ALLOWED[usize::from(*byte)] & part != 0;
        if *byte == b'?' {
            part = QUERY;
        }
        is_ascii &= byte.is_ascii();
        is_allowed
    });
    is_allowed && (is_ascii || std::str::from_utf8(target).is_ok())
}

/// Converts a path with an optional query to a target in origin form: one leading slash, other
/// characters encoded, no fragment.
pub fn parse(text: &str) -> Result<Uri, InvalidUri> {
    let text = text.split_once('#').map_or(text, |(text, _)| text);
    format!("/{}", utf8_percent_encode(text.trim_start_matches('/'), IN_TARGET)).parse()
}

/// The file path of a target relative to a root: that of its normal form ([`paths::normal`]),
/// never outside the root. `None` if it contains a NUL.
pub fn relative(path: &str) -> Option<PathBuf> {
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    if decoded.contains(&0) {
        return None;
    }
    let names = paths::resolve(decoded.split(|byte| *byte == b'/'));
    Some(names.into_iter().map(OsStr::from_bytes).collect())
}

/// [`relative`] below `root`.
pub fn file(root: &Path, path: &str) -> Option<PathBuf> {
    relative(path).map(|path| root.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (text, expected) in [
            ("/a?b", "/a?b"),
            ("a b", "/a%20b"),
            ("//evil.example/x", "/evil.example/x"),
            ("/a%20b\r\n#c", "/a%20b%0D%0A"),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
    }

    /// A target that is allowed and that `http` does not read would end unseen in a codec.
    #[test]
    fn what_is_allowed_is_what_http_reads() {
        for prefix in ["/", "/?", "/a?b?"] {
            for byte in 0..=255 {
                for rest in [&b""[..], b"x", b"\xa9"] {
                    let target = [prefix.as_bytes(), &[byte], rest].concat();
                    let is_read = http::uri::PathAndQuery::try_from(&target[..]).is_ok();
                    let is_fragment = byte == b'#';
                    assert_eq!(is_allowed(&target), is_read && !is_fragment, "{target:?}");
                }
            }
        }
    }

    #[test]
    fn files_stay_below_the_root() {
        for (path, expected) in [
            ("/a%20b//c", Some("/r/a b/c")),
            ("/", Some("/r/")),
            ("/../x", Some("/r/x")),
            ("/%2e%2e/x", Some("/r/x")),
            ("/a/../b/./c", Some("/r/b/c")),
            ("/a%2fb", Some("/r/a/b")),
            ("/..%2f..%2fetc/passwd", Some("/r/etc/passwd")),
            ("/...", Some("/r/...")),
            ("/%252e%252e/x", Some("/r/%2e%2e/x")),
            ("/a%00", None),
            ("/a%5Cb", Some("/r/a\\b")),
            ("/..%5c..%5Cb", Some("/r/..\\..\\b")),
        ] {
            assert_eq!(file(Path::new("/r"), path).as_deref(), expected.map(Path::new), "{path}");
        }
        let bytes = Path::new(OsStr::from_bytes(b"/r/\xff"));
        assert_eq!(file(Path::new("/r"), "/%ff").as_deref(), Some(bytes));
    }
}
