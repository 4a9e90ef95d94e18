//! Servers interpret unusual paths differently: a rule that protects must apply to all readings.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::normal::{is_normal, normal};
use super::prefix::Prefix;

/// The interpretations of a path that is not [ambiguous](is_ambiguous).
pub struct Readings<'a> {
    /// With dot segments resolved: rules are selected by this.
    route: Cow<'a, str>,
    /// With dot segments, if there are any: for servers that do not resolve them.
    unresolved: Option<String>,
}

impl<'a> Readings<'a> {
    pub fn of(path: &'a str) -> Self {
        Self { route: normal(path), unresolved: unresolved(path) }
    }

    /// Whether a rule that protects `prefix` applies: `/admin/../x` is `/x` for some servers, and
    /// below `/admin` for others.
    pub fn touch(&self, prefix: &Prefix) -> bool {
        self.each().any(|path| prefix.holds(path))
    }

    /// Each reading, for rules of which the most specific one decides: all of them must let a
    /// request in.
    pub fn each(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.route).chain(self.unresolved.as_deref())
    }

    /// Whether `prefix` may be an exception of such a rule: every reading begins with it.
    pub fn lie_in(&self, prefix: &Prefix) -> bool {
        prefix.holds(&self.route) && self.unresolved.as_ref().is_none_or(|path| prefix.holds(path))
    }

    /// Whether servers may read the path in more than one way.
    pub fn differ(&self) -> bool {
        self.unresolved.is_some()
    }
}

/// Whether servers may disagree about a path in more than dot segments: whether an encoded slash or
/// dot counts as one, and whether `..` removes an empty segment. No rule can protect the resources
/// of such a path.
pub fn is_ambiguous(path: &str) -> bool {
    let Some(unresolved) = unresolved(path) else { return false };
    let route = normal(path);
    let ways = [false, true];
    let habits = ways.iter().flat_map(|slashes| ways.iter().map(move |dots| (*slashes, *dots)));
    let habits = habits.flat_map(|(slashes, dots)| {
        ways.iter().map(move |merges| Habits { slashes, dots, merges: *merges })
    });
    habits.map(|habits| habits.read(path)).any(|read| read != route && read != unresolved)
}

/// Decoded, with repeated slashes merged and dot segments kept; `None` without dot segments.
fn unresolved(path: &str) -> Option<String> {
    if is_normal(path) {
        return None;
    }
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let mut segments = decoded.split('/');
    segments.any(|segment| matches!(segment, "." | "..")).then(|| merged(&decoded))
}

fn merged(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !out.ends_with('/') {
            out.push(letter);
        }
    }
    out
}

/// How a server that resolves dot segments treats other details.
struct Habits {
    /// Encoded slashes separate segments.
    slashes: bool,
    /// Encoded dots form dot segments.
    dots: bool,
    /// Repeated slashes are merged before dot segments are resolved, not after.
    merges: bool,
}

impl Habits {
    fn read(&self, path: &str) -> String {
        let path = match self.slashes {
            true => Cow::Owned(path.replace("%2f", "/").replace("%2F", "/")),
            false => Cow::Borrowed(path),
        };
        let mut kept: Vec<&str> = Vec::new();
        let mut is_directory = false;
        // The part before the first slash is empty.
        for segment in path.split('/').skip(1) {
            let name: Cow<'_, [u8]> = match self.dots {
                true => percent_decode_str(segment).into(),
                false => segment.as_bytes().into(),
            };
            is_directory = matches!(&*name, b"" | b"." | b"..");
            match &*name {
                b"." => {}
                b".." => {
                    kept.pop();
                }
                b"" if self.merges => {}
                _ => kept.push(segment),
            }
        }
        let mut out = format!("/{}", kept.join("/"));
        if is_directory && !out.ends_with('/') {
            out.push('/');
        }
        merged(&percent_decode_str(&out).decode_utf8_lossy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_protected_is_so_in_every_reading() {
        let admin = Prefix::new("/admin");
        for (path, protected) in [
            ("/admin/x", true),
            ("/%61dmin", true),
            ("//Admin", true),
            ("/x/../admin/y", true),
            ("/admin/../x", true),
            ("/admin/%2e%2e/x", true),
            ("/admin%2f..%2fx", true),
            ("/./admin", true),
            ("/x/admin", false),
            ("/x/../y", false),
        ] {
            assert_eq!(Readings::of(path).touch(&admin), protected, "{path}");
        }
    }

    #[test]
    fn what_servers_disagree_on() {
        for (path, ambiguous) in [
            ("/", false),
            ("/a/../b", false),
            ("/./a", false),
            ("/a/..", false),
            ("/a/b/.", false),
            ("/../../etc/passwd", false),
            ("/a//b", false),
            ("/a/%2e%2e/b", false),
            ("/a/..%2fb", false),
            ("/a%2fb", false),
            ("/a%2Fb//c%2f", false),
            ("/a%2e%2E/b", false),
            ("//../a", false),
            ("/a//../b", true),
            ("/a/b%2fc/../d", true),
            ("/a/../admin/%2e%2e/x", true),
            ("/a/../admin/..%2fx", true),
            ("/a//%2f/../b", true),
        ] {
            assert_eq!(is_ambiguous(path), ambiguous, "{path}");
            let all = Habits { slashes: true, dots: true, merges: true };
            assert_eq!(all.read(path), normal(path), "{path}");
        }
    }
}
