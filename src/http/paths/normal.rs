//! The normal form of request paths.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str};

/// Characters that are encoded when a decoded path becomes part of a target (RFC 3986 section 3.3).
pub const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The extension of the last segment with its dot; empty if there is none.
pub fn extension(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or_default();
    file.rfind('.').map_or("", |at| &file[at..])
}

/// The normal form of a request path: percent-decoded, without `.`, `..` and `//`. An encoded slash
/// is a slash, for files and FastCGI scripts as for prefixes.
pub fn normal(path: &str) -> Cow<'_, str> {
    if is_normal(path) {
        return Cow::Borrowed(path);
    }
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    Cow::Owned(clean(&decoded).into_owned())
}

/// Whether a path has no escapes, no empty segments, and no segments that begin with a dot. In one
/// pass, as it is called several times per request.
pub fn is_normal(path: &str) -> bool {
    let mut before = 0;
    path.bytes().all(|byte| {
        let odd = byte == b'%' || before == b'/' && matches!(byte, b'/' | b'.');
        before = byte;
        !odd
    })
}

/// Resolves `.`, `..` and empty segments of a decoded path (RFC 3986 section 5.2.4), never above
/// the root. The result starts with `/`. A trailing slash is kept, and a trailing `.` or `..` is
/// replaced by one, as it denotes a directory.
pub fn clean(path: &str) -> Cow<'_, str> {
    if is_clean(path) {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len() + 1);
    for segment in resolve(path.split('/')) {
        out.push('/');
        out.push_str(segment);
    }
    if out.is_empty() || names_directory(path.as_bytes()) {
        out.push('/');
    }
    Cow::Owned(out)
}

/// The segments of a decoded path after `.`, `..` and empty ones are resolved.
pub fn resolve<S: AsRef<[u8]>>(segments: impl Iterator<Item = S>) -> Vec<S> {
    let mut kept = Vec::new();
    for segment in segments {
        match segment.as_ref() {
            b"" | b"." => {}
            b".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    kept
}

/// Whether a decoded path denotes a directory.
pub fn names_directory(path: &[u8]) -> bool {
    matches!(path.rsplit(|byte| *byte == b'/').next(), None | Some(b"" | b"." | b".."))
}

fn is_clean(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        if matches!(segment, "." | "..") || (segment.is_empty() && !last) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{clean, extension};

    #[test]
    fn extensions_of_paths() {
        for (path, expected) in [
            ("/", ""),
            ("/a", ""),
            ("/a.html", ".html"),
            ("/a.b/c", ""),
            ("/a.tar.gz", ".gz"),
            ("/.hidden", ".hidden"),
        ] {
            assert_eq!(extension(path), expected, "{path}");
        }
    }

    #[test]
    fn cleans_without_leaving_the_root() {
        let cases = [
            ("/", "/"),
            ("", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//a///b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b/", "/b/"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("a/b", "/a/b"),
            ("/...", "/..."),
            ("//", "/"),
        ];
        for (path, expected) in cases {
            assert_eq!(clean(path), expected, "{path}");
        }
        assert!(matches!(clean("/a/b.html"), Cow::Borrowed(_)));
    }
}
