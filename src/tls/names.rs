//! Host names in certificates: which ones a CA can issue for, and wildcards.

use std::net::IpAddr;

/// Whether a public CA can issue a certificate for the name.
pub(super) fn qualifies(host: &str) -> bool {
    !host.is_empty()
        && host != "localhost"
        && !host.contains(['*', '/'])
        && !host.starts_with('.')
        && !host.ends_with('.')
        && host.parse::<IpAddr>().is_err()
}

/// Whether the name of a certificate matches `host`.
pub(super) fn covers(name: &str, host: &str) -> bool {
    name == host
        || name.strip_prefix("*.").is_some_and(|parent| {
            host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent)
        })
}

/// The lookup keys for `name`, the most specific first: the name itself, then with `*` for its
/// first label, its first two, and so on.
pub(super) fn patterns(name: &str) -> impl Iterator<Item = String> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let count = name.split('.').count();
    (0..=count).map(move |stars| {
        let labels = name.split('.').enumerate();
        let shown: Vec<_> =
            labels.map(|(at, label)| if at < stars { "*" } else { label }).collect();
        shown.join(".")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_gives_way_to_a_star() {
        let found: Vec<_> = patterns("A.b.c").collect();
        assert_eq!(found, ["a.b.c", "*.b.c", "*.*.c", "*.*.*"]);
    }
}
