//! Path prefixes and cleaning. Functions on decoded paths; no files.

use std::borrow::Cow;
use std::sync::LazyLock;

/// Whether directives tell upper from lower case in paths. Caddy's switch: they do unless the
/// environment's `CASE_SENSITIVE_PATH` is `0` or `false`.
static CASE_SENSITIVE: LazyLock<bool> = LazyLock::new(|| {
    let set = std::env::var("CASE_SENSITIVE_PATH").unwrap_or_default();
    !(set == "0" || set.eq_ignore_ascii_case("false"))
});

/// Whether `path` lies under `prefix`, on segment boundaries: `/api` holds `/api` and `/api/x`,
/// not `/apifoo`; `/` holds everything; a prefix ending in `/` or `.` is a plain string prefix.
pub fn under(path: &str, prefix: &str) -> bool {
    if *CASE_SENSITIVE { exactly_under(path, prefix) } else { loosely_under(path, prefix) }
}

/// [`under`] as the choice of a site has it: case always counts.
pub fn exactly_under(path: &str, prefix: &str) -> bool {
    matches!(prefix, "" | "/")
        || path.strip_prefix(prefix).is_some_and(|rest| ends_segment(prefix, rest))
}

fn loosely_under(path: &str, prefix: &str) -> bool {
    matches!(prefix, "" | "/")
        || path.split_at_checked(prefix.len()).is_some_and(|(start, rest)| {
            start.eq_ignore_ascii_case(prefix) && ends_segment(prefix, rest)
        })
}

/// The extension of the last segment with its dot; empty where there is none.
pub fn extension(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or_default();
    file.rfind('.').map_or("", |at| &file[at..])
}

/// A path below another, with one slash between them.
pub fn join(base: &str, path: &str) -> String {
    format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'))
}

fn ends_segment(prefix: &str, rest: &str) -> bool {
    prefix.ends_with(['/', '.']) || rest.is_empty() || rest.starts_with('/')
}

/// Resolves `.`, `..` and empty segments of a decoded path (RFC 3986 section 5.2.4), never above
/// the root. The result starts with `/`; a trailing slash stays, and a trailing `.` or `..`
/// leaves one, for it names a directory.
pub fn clean(path: &str) -> Cow<'_, str> {
    if is_clean(path) {
        return Cow::Borrowed(path);
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    let directory = matches!(path.rsplit('/').next(), Some("" | "." | ".."));
    let mut out = String::with_capacity(path.len() + 1);
    for segment in &kept {
        out.push('/');
        out.push_str(segment);
    }
    if out.is_empty() || directory {
        out.push('/');
    }
    Cow::Owned(out)
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

    use super::{clean, loosely_under, under};

    #[test]
    fn prefixes_end_on_segments() {
        let cases = [
            ("/api", "/api", true),
            ("/api/x", "/api", true),
            ("/apifoo", "/api", false),
            ("/apifoo", "/api/", false),
            ("/api/", "/api/", true),
            ("/api", "/api/", false),
            ("/anything", "/", true),
            ("", "/", true),
            ("/x", "", true),
            ("/file.php", "/file.", true),
            ("/API", "/api", false),
            ("/a", "/a/b", false),
        ];
        for (path, prefix, expected) in cases {
            assert_eq!(under(path, prefix), expected, "{path} under {prefix}");
            let loosely = expected || path == "/API";
            assert_eq!(loosely_under(path, prefix), loosely, "{path} loosely under {prefix}");
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
