//! What a path prefix holds, and a path's one normal form.

use std::borrow::Cow;

/// Whether `path` lies under `prefix`, on segment boundaries: `/api` holds `/api` and `/api/x`,
/// not `/apifoo`; `/` holds everything; a prefix ending in `/` or `.` is a plain string prefix.
pub fn under(path: &str, prefix: &str) -> bool {
    if prefix.is_empty() || prefix == "/" {
        return true;
    }
    match path.strip_prefix(prefix) {
        Some("") => true,
        Some(rest) => rest.starts_with('/') || prefix.ends_with(['/', '.']),
        None => false,
    }
}

/// `.` and `..` resolved, `//` collapsed, a trailing slash kept; never above the root.
pub fn clean(path: &str) -> Cow<'_, str> {
    let is_clean = path.starts_with('/') && !path.contains("//") && !path.contains("/.");
    if is_clean {
        return Cow::Borrowed(path);
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            name => kept.push(name),
        }
    }
    let mut cleaned = String::with_capacity(path.len() + 1);
    for segment in &kept {
        cleaned.push('/');
        cleaned.push_str(segment);
    }
    let is_folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    if kept.is_empty() || is_folder {
        cleaned.push('/');
    }
    Cow::Owned(cleaned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_hold_whole_segments() {
        for (path, prefix, holds) in [
            ("/api", "/api", true),
            ("/api/x", "/api", true),
            ("/apifoo", "/api", false),
            ("/API", "/api", false),
            ("/anything", "/", true),
            ("/anything", "", true),
            ("/a/b", "/a/", true),
            ("/a", "/a/", false),
            ("/x.php", "/x.", true),
        ] {
            assert_eq!(under(path, prefix), holds, "{path} under {prefix}");
        }
    }

    #[test]
    fn normal_forms() {
        for (path, expected) in [
            ("/a/b", "/a/b"),
            ("/a//b/", "/a/b/"),
            ("/a/./b/../c", "/a/c"),
            ("/../../etc", "/etc"),
            ("/a/..", "/"),
            ("/..", "/"),
            ("/a/.", "/a/"),
            ("/.hidden", "/.hidden"),
            ("/...", "/..."),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
    }
}
