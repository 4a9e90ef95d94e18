//! Path prefixes of rules: parsed at load, compared with requests without allocation.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use percent_encoding::utf8_percent_encode;

use super::normal::{IN_PATH, clean, is_normal, normal};

/// Whether paths are case-sensitive: as in Caddy 1.0, if the environment variable
/// `CASE_SENSITIVE_PATH` is `1` or `true`.
static CASE_COUNTS: LazyLock<bool> = LazyLock::new(|| {
    let set = std::env::var("CASE_SENSITIVE_PATH").unwrap_or_default();
    set == "1" || set.eq_ignore_ascii_case("true")
});

/// A string prefix of paths: `/api` holds `/api`, `/api/x` and `/apis`, and `/` holds everything.
/// Letter case is ignored by default.
#[derive(Clone)]
pub struct Prefix {
    /// With a leading slash, without `.`, `..` and `//`, in the letter case of the Caddyfile.
    text: String,
    case: Case,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Counts,
    /// Ignored, and the prefix is ASCII.
    Ascii,
    /// Ignored.
    Unicode,
}

/// A message about the text of a prefix, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub struct Remark {
    pub message: String,
    pub hint: String,
}

impl Prefix {
    /// The normalized prefix for `text`, without checks.
    pub fn new(text: &str) -> Self {
        Self::with(text, *CASE_COUNTS)
    }

    fn with(text: &str, case_counts: bool) -> Self {
        let case = match (case_counts, text.is_ascii()) {
            (true, _) => Case::Counts,
            (false, true) => Case::Ascii,
            (false, false) => Case::Unicode,
        };
        let slashed = if text.starts_with('/') { "" } else { "/" };
        Self { text: clean(&format!("{slashed}{text}")).into_owned(), case }
    }

    /// Parses the path of a rule. One that can never match is an error; one that is normalized or
    /// is probably a mistake has a remark.
    pub fn parse(text: &str) -> Result<(Self, Option<Remark>), Remark> {
        if let Some((before, after)) = text.split_once('*') {
            return Err(no_wildcard(text, before, after));
        }
        let prefix = Self::new(text);
        let remark = doubt(text).or_else(|| prefix.reads_otherwise(text));
        Ok((prefix, remark))
    }

    /// Whether a request's [`route`](crate::http::Request::route) begins with this.
    pub fn holds(&self, route: &str) -> bool {
        self.end(route).is_some()
    }

    /// Whether it holds every path.
    pub fn is_root(&self) -> bool {
        self.text == "/"
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The rest of a route after the prefix; it begins with the last slash of the prefix.
    pub fn rest<'a>(&self, route: &'a str) -> Option<&'a str> {
        let end = self.end(route)?;
        let ends_in_slash = !self.is_root() && self.text.ends_with('/');
        Some(&route[end - usize::from(ends_in_slash)..])
    }

    /// A key that is equal for prefixes that hold the same paths.
    pub fn folded(&self) -> String {
        if self.case == Case::Counts { self.text.clone() } else { self.text.to_lowercase() }
    }

    /// The rest of a request path after this prefix: the original bytes, empty or with a leading
    /// slash. `None`: the path does not begin with the prefix.
    pub fn cut<'a>(&self, path: &'a str) -> Option<Cow<'a, str>> {
        if is_normal(path) {
            return Some(slashed(Cow::Borrowed(&path[self.end(path)?..])));
        }
        let route = normal(path);
        let end = self.end(&route)?;
        let rest = slashed(Cow::Borrowed(&route[end..]));
        let came = path.get(spelt(path, end)..).map(|came| match came.get(..3) {
            Some(slash) if slash.eq_ignore_ascii_case("%2f") => format!("/{}", &came[3..]).into(),
            _ => slashed(Cow::Borrowed(came)),
        });
        // With dot segments in the prefix its end may be ambiguous.
        let came = came.filter(|came| came.is_empty() == rest.is_empty() && normal(came) == rest);
        let encoded = || utf8_percent_encode(&rest, IN_PATH).to_string().into();
        Some(came.unwrap_or_else(encoded))
    }

    /// The end of the prefix in a path that begins with it.
    fn end(&self, path: &str) -> Option<usize> {
        let length = self.text.len();
        if self.is_root() {
            return Some(0);
        }
        match self.case {
            Case::Counts => path.starts_with(&self.text).then_some(length),
            Case::Ascii => {
                let start = path.as_bytes().get(..length)?;
                start.eq_ignore_ascii_case(self.text.as_bytes()).then_some(length)
            }
            Case::Unicode => folded_end(path, &self.text),
        }
    }

    fn reads_otherwise(&self, text: &str) -> Option<Remark> {
        let why = match text {
            text if self.text == text => return None,
            text if text.starts_with('/') => "dot segments and repeated slashes are resolved",
            _ => "it has no leading slash",
        };
        Some(Remark {
            message: format!("path '{text}' is read as '{}': {why}", self.text),
            hint: format!("write: {}", self.text),
        })
    }
}

/// Equal if both hold the same paths.
impl PartialEq for Prefix {
    fn eq(&self, other: &Self) -> bool {
        self.holds(&other.text) && other.holds(&self.text)
    }
}

impl Eq for Prefix {}

impl Default for Prefix {
    fn default() -> Self {
        Self::new("/")
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// Adds a leading slash to a piece of a path that is not empty.
fn slashed(piece: Cow<'_, str>) -> Cow<'_, str> {
    if piece.is_empty() || piece.starts_with('/') { piece } else { format!("/{piece}").into() }
}

/// [`Prefix::end`] for letters whose upper and lower case differ in length.
fn folded_end(path: &str, prefix: &str) -> Option<usize> {
    let mut wanted = prefix.chars().flat_map(char::to_lowercase).peekable();
    for (at, letter) in path.char_indices() {
        if wanted.peek().is_none() {
            return Some(at);
        }
        for low in letter.to_lowercase() {
            if wanted.next() != Some(low) {
                return None;
            }
        }
    }
    wanted.peek().is_none().then_some(path.len())
}

/// The end of the first `length` decoded bytes in a path, with repeated slashes merged.
fn spelt(path: &str, length: usize) -> usize {
    let bytes = path.as_bytes();
    let (mut at, mut made, mut before) = (0, 0, 0);
    while made < length && at < bytes.len() {
        let escape = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let digits = escape.and_then(|digits| std::str::from_utf8(digits).ok());
        let decoded = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let byte = decoded.unwrap_or(bytes[at]);
        at += if decoded.is_some() { 3 } else { 1 };
        if byte != b'/' || before != b'/' {
            made += 1;
        }
        before = byte;
    }
    at
}

fn no_wildcard(text: &str, before: &str, after: &str) -> Remark {
    let prefix = match before.trim_end_matches('/') {
        "" => "/".to_owned(),
        start if start.starts_with('/') => start.to_owned(),
        start => format!("/{start}"),
    };
    let mut hint = format!("write: {prefix}, which matches all paths that begin with it");
    let ending = after.trim_start_matches(['/', '*']);
    if !ending.is_empty() {
        hint.push_str(&format!(
            "; for paths that end in '{ending}', use rewrite: if {{path}} ends_with {ending}"
        ));
    }
    Remark { message: format!("'{text}' matches no path: '*' is not a wildcard"), hint }
}

/// A remark for characters that are unlikely in a path.
fn doubt(text: &str) -> Option<Remark> {
    let (mark, what, hint) = [
        ("?", "a query", "remove the query; to match it, write: if {query} has TEXT"),
        ("#", "a fragment", "remove it: clients do not send fragments"),
        ("{", "a placeholder", "write the path itself"),
        (
            "^",
            "a regular expression",
            "write the beginning of the path; rewrite has: regexp PATTERN",
        ),
        ("%", "an escape", "write the character itself, in quotes if it is a space"),
    ]
    .into_iter()
    .find(|(mark, ..)| text.contains(mark))?;
    let message = format!(
        "path '{text}' matches only paths with the character '{mark}': {what} is not supported \
        here"
    );
    Some(Remark { message, hint: hint.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_that_begins_so() {
        for (prefix, path, held, held_where_case_counts) in [
            ("/api", "/api", true, true),
            ("/api", "/api/x", true, true),
            ("/api", "/apis", true, true),
            ("/api", "/API/x", true, false),
            ("/Api", "/api", true, false),
            ("/api/", "/api/x", true, true),
            ("/api/", "/api", false, false),
            ("/api/", "/apis", false, false),
            ("/a//b/./c/../d", "/a/b/d/e", true, true),
            ("/", "/anything", true, true),
            ("", "/anything", true, true),
            ("/a/b", "/a", false, false),
            ("/file.", "/file.php", true, true),
            ("api", "/api", true, true),
            ("/é", "/É/x", true, false),
            ("/É", "/é/x", true, false),
            ("/é", "/e", false, false),
            ("/straße", "/STRASSE", false, false),
            ("/abc", "/aé", false, false),
        ] {
            let case = |counts| Prefix::with(prefix, counts).holds(path);
            assert_eq!(
                (case(false), case(true)),
                (held, held_where_case_counts),
                "{prefix} {path}"
            );
        }
        assert_eq!(Prefix::new("/A//b"), Prefix::new("a/b"));
        assert_ne!(Prefix::new("/a"), Prefix::new("/a/"));
    }

    #[test]
    fn what_is_left_is_what_came() {
        for (prefix, path, rest) in [
            ("/api", "/api/x", Some("/x")),
            ("/api", "/API/x", Some("/x")),
            ("/api", "/api", Some("")),
            ("/api", "/apis", Some("/s")),
            ("/api/", "/api/x", Some("/x")),
            ("/api/", "/api/", Some("")),
            ("/api", "/x", None),
            ("/", "/x/%2f", Some("/x/%2f")),
            ("/api", "/%61pi/a%2Fb//c", Some("/a%2Fb//c")),
            ("/api", "//api//a", Some("//a")),
            ("/a/b", "/a%2fb/c%20", Some("/c%20")),
            ("/api", "/x/../api/a%20b", Some("/a%20b")),
            ("/api", "/api/../api/x%3Fy", Some("/x%3Fy")),
            ("/api", "/./api/x", Some("/x")),
            ("/api", "/api%2Fx%2Fy", Some("/x%2Fy")),
            ("/api", "/api/x/../y", Some("/x/../y")),
            ("/api", "/api/../../api", Some("")),
            ("/é", "/%C3%A9/%c3%a9", Some("/%c3%a9")),
            ("/é", "/%C3%89/x", Some("/x")),
            ("/api", "/api/%ff", Some("/%ff")),
            ("/api", "/api/..", None),
        ] {
            let cut = Prefix::new(prefix).cut(path);
            assert_eq!(cut.as_deref(), rest, "{path} without {prefix}");
        }
    }

    #[test]
    fn what_is_said_of_the_text() {
        for (text, read, said) in [
            ("/a", "/a", ""),
            ("/a/", "/a/", ""),
            ("/", "/", ""),
            ("a.html", "/a.html", "it has no leading slash; write: /a.html"),
            ("", "/", "it has no leading slash; write: /"),
            ("/a//b", "/a/b", "repeated slashes are resolved; write: /a/b"),
            ("/.", "/", "dot segments and repeated slashes are resolved; write: /"),
            ("/a?b=c", "/a?b=c", "a query is not supported"),
            ("/{host}", "/{host}", "a placeholder is not supported"),
            ("^/a", "/^/a", "a regular expression is not supported"),
            ("/a%20b", "/a%20b", "an escape is not supported"),
        ] {
            let (prefix, remark) = Prefix::parse(text).unwrap();
            let remark = remark.map_or(String::new(), |r| format!("{}; {}", r.message, r.hint));
            assert_eq!(prefix.as_str(), read, "{text}");
            assert!(remark.contains(said) && remark.is_empty() == said.is_empty(), "{remark}");
        }
        for (text, instead) in [
            ("/admin/*", "write: /admin, which"),
            ("*", "write: /, which"),
            ("/*", "write: /, which"),
            ("wp-*", "write: /wp-, which"),
            ("/a/*.php", "if {path} ends_with .php"),
        ] {
            let remark = Prefix::parse(text).unwrap_err();
            assert!(remark.message.contains("'*' is not a wildcard"), "{}", remark.message);
            assert!(remark.hint.contains(instead), "{text}: {}", remark.hint);
        }
    }
}
