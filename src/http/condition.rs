//! `if A OP B` and `if_op`: when a redirect or a rewrite applies.

use regex::Regex;

use super::Request;
use super::placeholders::Template;

/// The lines of one rule.
#[derive(Debug, Default)]
pub struct Conditions {
    list: Vec<Condition>,
    any: bool,
}

impl Conditions {
    /// Adds an `if` line's three arguments.
    pub fn push(&mut self, args: &[&str]) -> Result<(), String> {
        let [a, op, b] = args else {
            return Err("if takes three arguments: if A OPERATOR B".to_owned());
        };
        self.list.push(Condition::new(a, op, b)?);
        Ok(())
    }

    /// Takes an `if_op` line's argument.
    pub fn set_op(&mut self, op: &str) -> Result<(), String> {
        self.any = match op {
            "and" => false,
            "or" => true,
            _ => return Err(format!("Invalid operator {op}: write and, or")),
        };
        Ok(())
    }

    /// Whether the rule applies. Without conditions `and` holds; `or` was never asked for.
    pub fn hold(&self, req: &Request) -> bool {
        if self.any {
            self.list.iter().any(|one| one.holds(req))
        } else {
            self.list.iter().all(|one| one.holds(req))
        }
    }
}

#[derive(Debug)]
struct Condition {
    a: Template,
    b: Template,
    test: Test,
    not: bool,
}

#[derive(Debug)]
enum Test {
    Is,
    Has,
    StartsWith,
    EndsWith,
    /// Unanchored; `None` is an invalid expression, which matches nothing.
    Match(Option<Regex>),
}

impl Condition {
    fn new(a: &str, op: &str, b: &str) -> Result<Self, String> {
        let (word, not) = match op.strip_prefix("not_") {
            Some(word) => (word, true),
            None if op == "not" => ("is", true),
            None => (op, false),
        };
        let test = match word {
            "is" if op != "not_is" => Test::Is,
            "has" => Test::Has,
            "starts_with" => Test::StartsWith,
            "ends_with" => Test::EndsWith,
            "match" => Test::Match(Regex::new(b).ok()),
            _ => return Err(format!("Invalid operator {op}")),
        };
        Ok(Self { a: Template::parse(a), b: Template::parse(b), test, not })
    }

    fn holds(&self, req: &Request) -> bool {
        let a = self.a.expand(req, None, "");
        let b = || self.b.expand(req, None, "");
        let holds = match &self.test {
            Test::Is => a == b(),
            Test::Has => a.contains(&b()),
            Test::StartsWith => a.starts_with(&b()),
            Test::EndsWith => a.ends_with(&b()),
            Test::Match(regex) => regex.as_ref().is_some_and(|regex| regex.is_match(&a)),
        };
        holds != self.not
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::tests::request;

    #[test]
    fn operators() {
        for (condition, expected) in [
            ("a is a", true),
            ("a is b", false),
            ("a not b", true),
            ("ba has b", true),
            ("ba not_has b", false),
            ("bab has bb", false),
            ("bab starts_with bb", false),
            ("bab starts_with ba", true),
            ("bab ends_with ab", true),
            ("ba match b[a-z]", true),
            ("b0a match b[a-z]+", false),
            ("b0a match b[a-z0-9]+", true),
            ("a match *", false),
            ("a not_match *", true),
            ("{uri} match /home", true),
        ] {
            let args: Vec<_> = condition.split(' ').collect();
            let mut conditions = Conditions::default();
            conditions.push(&args).unwrap();
            assert_eq!(conditions.hold(&request("GET", "/home")), expected, "{condition}");
        }
    }

    #[test]
    fn refusals() {
        let mut conditions = Conditions::default();
        assert_eq!(conditions.push(&["a", "like", "b"]), Err("Invalid operator like".to_owned()));
        assert!(conditions.push(&["a", "is"]).is_err());
        assert!(conditions.set_op("xor").is_err());
    }
}
