//! From a request's path to a path below the root. No other place decodes it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use http::StatusCode;

/// A path that stays below the root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Decoded, without a leading slash.
    pub(super) relative: PathBuf,
    /// Whether the path ended in a slash.
    pub(super) slash: bool,
    /// As sent, with single slashes and without the last one; empty for the root.
    pub(super) clean: String,
}

impl Target {
    /// Segments are told apart before they are decoded: an encoded slash is no separator, hence
    /// it cannot slip past a rule for a path prefix. What no file name may hold and `..` however
    /// it is written are not found; NUL and bad escapes are bad requests. A backslash is a
    /// character of a name as any other.
    pub(super) fn parse(path: &str) -> Result<Self, StatusCode> {
        let mut target = Self {
            relative: PathBuf::new(),
            slash: path.ends_with('/') || path.is_empty(),
            clean: String::new(),
        };
        let mut refused = false;
        for segment in path.split('/').filter(|s| !s.is_empty()) {
            let name = decode(segment.as_bytes()).ok_or(StatusCode::BAD_REQUEST)?;
            if name.contains(&0) {
                return Err(StatusCode::BAD_REQUEST);
            }
            refused |= name == b"." || name == b".." || name.contains(&b'/');
            target.relative.push(OsStr::from_bytes(&name));
            target.clean.push('/');
            // Browsers take a backslash in a Location for a slash.
            target.clean.push_str(&segment.replace('\\', "%5C"));
        }
        if refused { Err(StatusCode::NOT_FOUND) } else { Ok(target) }
    }
}

/// Percent-decoding that refuses what is not an escape (RFC 3986 section 2.1).
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        out.push(hex(digits[0])? << 4 | hex(digits[1])?);
        rest = after;
    }
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_stay_inside() {
        for (path, relative, slash, clean) in [
            ("/", "", true, ""),
            ("/a/b.html", "a/b.html", false, "/a/b.html"),
            ("//a///b/", "a/b", true, "/a/b"),
            ("/a%20b", "a b", false, "/a%20b"),
            ("/%252e%252e/x", "%2e%2e/x", false, "/%252e%252e/x"),
            ("/...", "...", false, "/..."),
            ("/..%5c..%5Cx", "..\\..\\x", false, "/..%5c..%5Cx"),
            ("/\\evil.example/", "\\evil.example", true, "/%5Cevil.example"),
        ] {
            let expected = Target { relative: relative.into(), slash, clean: clean.to_owned() };
            assert_eq!(Target::parse(path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn paths_that_are_refused() {
        for (path, status) in [
            ("/../../etc/passwd", 404),
            ("/%2e%2e/x", 404),
            ("/.%2E/x", 404),
            ("/..%2f..%2fetc", 404),
            ("/a%2fb", 404),
            ("/./x", 404),
            ("/index.html%00.php", 400),
            ("/../%00", 400),
            ("/%zz", 400),
            ("/%4", 400),
            ("/%", 400),
            ("/%+1", 400),
        ] {
            assert_eq!(Target::parse(path).map_err(|s| s.as_u16()), Err(status), "{path}");
        }
    }
}
