//! Regular expressions and paths as they are written here.

use regex::Regex;

/// A regular expression that the one of PCRE is here too, if it is one.
pub(super) fn pattern(text: &str, ignores_case: bool) -> Option<String> {
    let text = if ignores_case { format!("(?i){text}") } else { text.to_owned() };
    // `\/` is an escape that nobody needs.
    let text = text.replace("\\/", "/");
    Regex::new(&text).ok().map(|_| text)
}

/// One that matches the text as it is.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if ".+*?()|[]{}^$\\".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Whether a path can stand in a rule: the characters of its prefix are compared one by one.
pub(super) fn is_plain(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains(['*', '?', '{', '}', '%', '"', '\\', '^', '#'])
        && !path.contains("//")
        && !path.split('/').any(|part| matches!(part, "." | ".."))
}

/// Whether one path is the other's beginning.
pub(super) fn holds(prefix: &str, path: &str) -> bool {
    path.starts_with(prefix)
}
