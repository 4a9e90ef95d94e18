//! `if A OP B` and `if_op` in redir and rewrite blocks.

use regex::{Regex, RegexBuilder};

use super::Request;
use super::placeholders::Template;
use crate::limits::PATTERN_BYTES;

/// The operators of an `if`.
pub const OPERATORS: [&str; 10] = [
    "is",
    "not",
    "has",
    "not_has",
    "starts_with",
    "not_starts_with",
    "ends_with",
    "not_ends_with",
    "match",
    "not_match",
];

/// One `if`.
#[derive(Debug, Clone)]
pub struct Condition {
    left: Template,
    test: Test,
    /// Whether the result is inverted.
    negated: bool,
    right: Template,
}

/// The conditions of one block: all must hold, or any of them.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    list: Vec<Condition>,
    any: bool,
}

#[derive(Debug, Clone)]
enum Test {
    Is,
    Has,
    StartsWith,
    EndsWith,
    /// `None`: an invalid pattern, which matches nothing.
    Match(Option<Regex>),
    /// A pattern with placeholders.
    MatchDynamic,
}

impl Condition {
    /// Reads `A OP B`; both sides may hold placeholders. A pattern that is no pattern is no
    /// error: it matches nothing. `None`: there is no such operator.
    pub fn new(a: &str, op: &str, b: &str) -> Option<Self> {
        let (negated, positive) = match op {
            "not" => (true, "is"),
            _ => op.strip_prefix("not_").map_or((false, op), |op| (true, op)),
        };
        let right = Template::parse(b);
        let test = match positive {
            "is" if !negated || op == "not" => Test::Is,
            "has" => Test::Has,
            "starts_with" => Test::StartsWith,
            "ends_with" => Test::EndsWith,
            "match" if right.is_literal().is_some() => Test::Match(Regex::new(b).ok()),
            // The repetition `{n}` of a pattern looks like a placeholder.
            "match" => Regex::new(b)
                .ok()
                .filter(|_| !names_value(b))
                .map_or(Test::MatchDynamic, |pattern| Test::Match(Some(pattern))),
            _ => return None,
        };
        Some(Self { left: Template::parse(a), test, negated, right })
    }

    /// Whether it is true for this request.
    pub fn holds(&self, req: &Request) -> bool {
        let left = self.left.expand_decoded(req);
        let right = || self.right.expand_decoded(req);
        let outcome = match &self.test {
            Test::Is => left == right(),
            Test::Has => left.contains(&right()),
            Test::StartsWith => left.starts_with(&right()),
            Test::EndsWith => left.ends_with(&right()),
            Test::Match(pattern) => pattern.as_ref().is_some_and(|p| p.is_match(&left)),
            Test::MatchDynamic => RegexBuilder::new(&right())
                .size_limit(PATTERN_BYTES)
                .build()
                .is_ok_and(|pattern| pattern.is_match(&left)),
        };
        outcome != self.negated
    }
}

impl Conditions {
    /// Adds an `if`.
    pub fn push(&mut self, condition: Condition) {
        self.list.push(condition);
    }

    /// Whether any of them is enough, as `if_op or` asks.
    pub fn match_any(&mut self, any: bool) {
        self.any = any;
    }

    /// Whether there is no `if`.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether they are true for this request; without any, `and` is true and `or` is false.
    pub fn hold(&self, req: &Request) -> bool {
        if self.any {
            self.list.iter().any(|one| one.holds(req))
        } else {
            self.list.iter().all(|one| one.holds(req))
        }
    }
}

/// Whether any pair of braces contains something other than the numbers of a repetition.
fn names_value(pattern: &str) -> bool {
    pattern.split('{').skip(1).any(|after| {
        let inside = after.split('}').next().unwrap_or("");
        !inside.bytes().all(|b| b.is_ascii_digit() || b == b',')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::tests::request;

    #[test]
    fn single_conditions() {
        for (a, op, b, expected) in [
            ("a", "is", "a", true),
            ("a", "is", "b", false),
            ("a", "not", "b", true),
            ("a", "not", "a", false),
            ("ba", "has", "b", true),
            ("bab", "has", "bb", false),
            ("bab", "not_has", "bb", true),
            ("bab", "starts_with", "ba", true),
            ("bab", "starts_with", "bb", false),
            ("bab", "not_starts_with", "bb", true),
            ("bab", "ends_with", "ab", true),
            ("bab", "not_ends_with", "ab", false),
            ("a", "match", "*", false),
            ("a", "not_match", "*", true),
            ("ba", "match", "b[a-z]", true),
            ("b0a", "match", "b[a-z]+", false),
            ("b0a", "match", "b[a-z0-9]+", true),
            ("baa", "match", "^ba{2}$", true),
            ("ba", "match", "^ba{2}$", false),
        ] {
            let condition = Condition::new(a, op, b).unwrap();
            assert_eq!(condition.holds(&request("GET", "/")), expected, "{a} {op} {b}");
        }
    }

    #[test]
    fn placeholders_in_both_sides() {
        for (target, a, op, b, expected) in [
            ("/home", "{uri}", "match", "/home", true),
            ("/hom", "{uri}", "match", "/home", false),
            ("/home/.hidden", "{uri}", "match", "\\/\\.(.*)", true),
            ("/%61dmin", "{path}", "starts_with", "/admin", true),
            ("/x?p=/x", "{path}", "is", "{?p}", true),
            ("/x?p=%5B", "{path}", "match", "{?p}", false),
        ] {
            let condition = Condition::new(a, op, b).unwrap();
            assert_eq!(
                condition.holds(&request("GET", target)),
                expected,
                "{target}: {a} {op} {b}"
            );
        }
    }

    #[test]
    fn several_conditions() {
        let (yes, no): ([&str; 3], [&str; 3]) = (["a", "is", "a"], ["a", "is", "b"]);
        for (op, list, expected) in [
            ("and", vec![], true),
            ("or", vec![], false),
            ("and", vec![yes, no], false),
            ("or", vec![yes, no], true),
            ("and", vec![yes, yes], true),
            ("or", vec![no, no], false),
        ] {
            let mut conditions = Conditions::default();
            for [a, op, b] in &list {
                conditions.push(Condition::new(a, op, b).unwrap());
            }
            conditions.match_any(op == "or");
            assert_eq!(conditions.hold(&request("GET", "/")), expected, "{op} {list:?}");
        }
    }

    #[test]
    fn what_is_refused() {
        for op in ["isnt", "not_is", "not_not", ""] {
            assert!(Condition::new("a", op, "b").is_none(), "{op}");
        }
        assert!(OPERATORS.iter().all(|op| Condition::new("a", op, "b").is_some()));
    }
}
