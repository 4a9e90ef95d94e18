//! The directives of `Cache-Control` (RFC 9111 section 5.2, RFC 5861).

use http::HeaderMap;
use http::header::CACHE_CONTROL;

/// What RFC 9111 section 1.2.2 has caches take for more.
pub(super) const MOST_SECONDS: u64 = 1 << 31;

/// The directives of a request or a response. Those with an argument are in seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) no_cache: bool,
    pub(super) no_store: bool,
    pub(super) private: bool,
    pub(super) public: bool,
    pub(super) must_revalidate: bool,
    pub(super) proxy_revalidate: bool,
    pub(super) must_understand: bool,
    pub(super) only_if_cached: bool,
    pub(super) max_age: Option<u64>,
    pub(super) s_maxage: Option<u64>,
    pub(super) min_fresh: Option<u64>,
    pub(super) max_stale: Option<u64>,
    pub(super) stale_while_revalidate: Option<u64>,
    pub(super) stale_if_error: Option<u64>,
}

impl Control {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        for value in headers.get_all(CACHE_CONTROL) {
            let mut rest = String::from_utf8_lossy(value.as_bytes());
            while !rest.is_empty() {
                let end = end_of_member(&rest);
                control.add(rest[..end].trim());
                rest = rest.get(end + 1..).unwrap_or_default().to_owned().into();
            }
        }
        control
    }

    /// A name that occurs twice keeps its first argument (RFC 9111 section 4.2.1). `no-cache` and
    /// `private` with names of fields count as without, which RFC 9111 allows.
    fn add(&mut self, directive: &str) {
        let (name, argument) = match directive.split_once('=') {
            Some((name, argument)) => (name, Some(argument)),
            None => (directive, None),
        };
        let seconds = |known: &mut Option<u64>| *known = known.or(argument.map(seconds));
        match name.to_ascii_lowercase().as_str() {
            "no-cache" => self.no_cache = true,
            "no-store" => self.no_store = true,
            "private" => self.private = true,
            "public" => self.public = true,
            "must-revalidate" => self.must_revalidate = true,
            "proxy-revalidate" => self.proxy_revalidate = true,
            "must-understand" => self.must_understand = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => seconds(&mut self.max_age),
            "s-maxage" => seconds(&mut self.s_maxage),
            "min-fresh" => seconds(&mut self.min_fresh),
            "max-stale" if argument.is_none() => self.max_stale = Some(MOST_SECONDS),
            "max-stale" => seconds(&mut self.max_stale),
            "stale-while-revalidate" => seconds(&mut self.stale_while_revalidate),
            "stale-if-error" => seconds(&mut self.stale_if_error),
            _ => {}
        }
    }
}

/// An argument that is no number is 0: caches are to take such responses for stale.
fn seconds(argument: &str) -> u64 {
    let bare = argument.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"'));
    delta_seconds(bare.unwrap_or(argument)).unwrap_or(0)
}

/// RFC 9111 section 1.2.2.
pub(super) fn delta_seconds(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(MOST_SECONDS).min(MOST_SECONDS))
}

/// Where the first member of a list ends. A quoted string may contain commas.
fn end_of_member(list: &str) -> usize {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let end = list.find(|c| {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = is_quoted,
            '"' => is_quoted = !is_quoted,
            ',' => return !is_quoted,
            _ => {}
        }
        false
    });
    end.unwrap_or(list.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(lines: &[&str]) -> Control {
        let lines = lines.iter().map(|line| (CACHE_CONTROL, line.parse().unwrap()));
        Control::of(&lines.collect())
    }

    #[test]
    fn directives() {
        for (lines, expected) in [
            (&[][..], Control::default()),
            (&["No-Cache , ,public"], Control { no_cache: true, public: true, ..<_>::default() }),
            (&["private=\"a, no-store\""], Control { private: true, ..<_>::default() }),
            (&["x=\"a\\\", no-store\", public"], Control { public: true, ..<_>::default() }),
            (&["max-age=1, max-age=2"], Control { max_age: Some(1), ..<_>::default() }),
            (
                &["max-age=1", "s-maxage=\"2\""],
                Control { max_age: Some(1), s_maxage: Some(2), ..<_>::default() },
            ),
            (&["max-stale"], Control { max_stale: Some(MOST_SECONDS), ..<_>::default() }),
            (&["max-stale=3"], Control { max_stale: Some(3), ..<_>::default() }),
            (&["max-agent=3, xmax-age=4"], Control::default()),
        ] {
            assert_eq!(control(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn arguments() {
        for (argument, expected) in [
            ("60", 60),
            ("060", 60),
            ("\"60\"", 60),
            ("99999999999999999999999", MOST_SECONDS),
            ("2147483649", MOST_SECONDS),
            ("-1", 0),
            ("1.5", 0),
            ("", 0),
            ("soon", 0),
            ("\"60", 0),
            (" 60", 0),
        ] {
            let found = control(&[&format!("max-age={argument}")]).max_age;
            assert_eq!(found, Some(expected), "{argument}");
        }
    }
}
