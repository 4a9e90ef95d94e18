//! Matchers of queries: Caddy 2 looks at all values of a name, in any form that decodes to them.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::convert::pattern::escaped;

/// For each name, a regular expression of the queries in which it has one of its values.
/// `None`: there is none.
pub(super) fn patterns(words: &[String]) -> Option<Vec<String>> {
    let mut values: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for word in words {
        let (name, value) = word.split_once('=').filter(|(name, _)| !name.is_empty())?;
        if word.contains(['{', '"', '\\']) {
            return None;
        }
        values.entry(name).or_default().push(match value {
            "*" => "(?:=[^&]*)?".to_owned(),
            "" => "=?".to_owned(),
            value => format!("={}", encoded(value)),
        });
    }
    let one = |(name, mut values): (&str, Vec<String>)| {
        let values = match values.len() {
            1 => values.remove(0),
            _ => format!("(?:{})", values.join("|")),
        };
        format!("(?:^|&){}{values}(?:&|$)", encoded(name))
    };
    Some(values.into_iter().map(one).collect())
}

/// A regular expression of all forms of a text in a query.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let mut bytes = String::new();
        for byte in c.to_string().bytes() {
            let _ = write!(bytes, "%{byte:02x}");
        }
        let letters = |c: char| match c.is_ascii_alphabetic() {
            true => format!("[{c}{}]", c.to_ascii_uppercase()),
            false => c.to_string(),
        };
        let bytes: String = bytes.chars().map(letters).collect();
        let _ = match c {
            ' ' => write!(out, "(?:\\+|{bytes})"),
            // These part or encode.
            '&' | '+' | '%' | '#' => write!(out, "(?:{bytes})"),
            c => write!(out, "(?:{}|{bytes})", escaped(&c.to_string())),
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::patterns;

    #[test]
    fn each_value_counts() {
        for (words, yes, no) in [
            (
                &["a=x"][..],
                &["a=x", "a=y&a=x", "a=x&a=y", "b&a=x", "%61=%78", "a=y&%61=x&c"][..],
                &["", "a", "a=", "a=y", "a=xy", "ba=x", "b=a=x", "A=x", "a=X", "a=x=", "a%3Dx"][..],
            ),
            (&["a=*"], &["a", "a=", "a=&b", "b&a=1", "%61"], &["", "b", "aa", "b=a"]),
            (&["a="], &["a", "a=", "a=1&a"], &["", "a=1"]),
            (&["a=*."], &["a=*.", "a=%2a%2E"], &["a=x.", "a=**"]),
            (&["a=x y"], &["a=x+y", "a=x%20y"], &["a=x%2By", "a=xy"]),
            (&["a=+&"], &["a=%2b%26", "a=%2B%26"], &["a=+&", "a=%20%26"]),
            (&["a=b=c"], &["a=b%3dc", "a=b=c"], &["a=b"]),
            (&["é=ü"], &["é=ü", "%C3%a9=%c3%BC"], &["e=u"]),
            (&["a=1", "a=2"], &["a=1", "a=3&a=2"], &["a=3", "a=12"]),
        ] {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            let found = patterns(&words).unwrap();
            let [pattern] = &*found else { panic!("{words:?}: {found:?}") };
            let pattern = Regex::new(pattern).unwrap();
            for (queries, wanted) in [(yes, true), (no, false)] {
                for query in queries {
                    assert_eq!(pattern.is_match(query), wanted, "{words:?}: {query}: {pattern}");
                }
            }
        }
    }

    #[test]
    fn names_are_apart_and_what_is_unknown_is_none() {
        let of = |words: &[&str]| {
            patterns(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of(&["a=1", "b=*", "a=2"]).unwrap().len(), 2);
        for words in [&["a"][..], &[""], &["=x"], &["a={x}"], &["a=1", "b"]] {
            assert_eq!(of(words), None, "{words:?}");
        }
    }
}
