//! `header_upstream` and `header_downstream`: add, set, delete and regex replacement.

use std::borrow::Cow;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use regex::Regex;

use crate::http::Request;
use crate::http::placeholders::{ResponseFacts, Template};

/// A change of one header field.
#[derive(Debug, Clone)]
pub(crate) struct HeaderRule {
    name: HeaderName,
    action: Action,
}

#[derive(Debug, Clone)]
enum Action {
    Add(Value),
    Set(Value),
    Delete,
    Replace(Regex, Template),
}

/// A value that may depend on the request.
#[derive(Debug, Clone)]
enum Value {
    Text(Template),
    Fixed(HeaderValue),
    Host,
    ClientIp,
    Scheme,
    ServerPort,
}

impl HeaderRule {
    /// Parses `[+|-]NAME [VALUE | REGEX REPLACEMENT]`. `Ok(None)`: wrong number of arguments.
    pub(crate) fn parse(args: &[&str]) -> Result<Option<Self>, String> {
        let Some((first, rest)) = args.split_first() else { return Ok(None) };
        let (sign, bare) = match first.as_bytes().first() {
            Some(sign @ (b'+' | b'-')) => (Some(*sign), &first[1..]),
            _ => (None, *first),
        };
        let name = HeaderName::from_bytes(bare.as_bytes())
            .map_err(|_| format!("'{bare}' is not a header field name"))?;
        let action = match (sign, rest) {
            (Some(b'-'), [] | [_]) => Action::Delete,
            (Some(_), [value]) => Action::Add(Value::Text(Template::parse(value))),
            (None, [value]) => Action::Set(Value::Text(Template::parse(value))),
            (None, [pattern, replacement]) => Action::Replace(
                Regex::new(pattern).map_err(|e| format!("regular expression '{pattern}': {e}"))?,
                Template::parse(replacement),
            ),
            _ => return Ok(None),
        };
        Ok(Some(Self { name, action }))
    }

    /// The rules of `transparent`.
    pub(crate) fn transparent() -> [Self; 4] {
        let set = |name: HeaderName, value| Self { name, action: Action::Set(value) };
        [
            Self::host(),
            set(HeaderName::from_static("x-real-ip"), Value::ClientIp),
            set(HeaderName::from_static("x-forwarded-proto"), Value::Scheme),
            set(HeaderName::from_static("x-forwarded-port"), Value::ServerPort),
        ]
    }

    /// The rule that keeps the client's Host.
    pub(crate) fn host() -> Self {
        Self { name: http::header::HOST, action: Action::Set(Value::Host) }
    }

    /// Sets a field to a fixed value.
    pub(crate) fn fixed(name: HeaderName, value: HeaderValue) -> Self {
        Self { name, action: Action::Set(Value::Fixed(value)) }
    }

    pub(crate) fn delete(name: HeaderName) -> Self {
        Self { name, action: Action::Delete }
    }

    pub(crate) fn removes(&self, name: &HeaderName) -> bool {
        matches!(self.action, Action::Delete) && self.name == *name
    }

    /// Whether what it sets may differ between requests.
    pub(crate) fn varies(&self) -> bool {
        match &self.action {
            Action::Delete => false,
            Action::Add(value) | Action::Set(value) => value.varies(),
            Action::Replace(_, replacement) => replacement.is_literal().is_none(),
        }
    }

    fn apply<'a>(
        &'a self,
        fields: &mut impl Change<'a>,
        req: &'a Request,
        facts: Option<&ResponseFacts<'_>>,
    ) {
        match &self.action {
            Action::Delete => fields.delete(&self.name),
            Action::Add(value) => {
                if let Some(value) = value.resolve(req, facts) {
                    fields.add(&self.name, value);
                }
            }
            Action::Set(value) => {
                if let Some(value) = value.resolve(req, facts) {
                    fields.set(&self.name, value);
                }
            }
            Action::Replace(pattern, replacement) => {
                let replacement = replacement.expand(req, facts, "");
                fields.edit(&self.name, &|value| replace(value, pattern, &replacement));
            }
        }
    }
}

/// Header fields that rules can change.
pub(crate) trait Change<'a> {
    /// Replaces all values of the name by one.
    fn set(&mut self, name: &HeaderName, value: Cow<'a, HeaderValue>);
    fn add(&mut self, name: &HeaderName, value: Cow<'a, HeaderValue>);
    fn delete(&mut self, name: &HeaderName);
    fn edit(&mut self, name: &HeaderName, edit: &dyn Fn(&mut HeaderValue));
}

impl<'a> Change<'a> for HeaderMap {
    fn set(&mut self, name: &HeaderName, value: Cow<'a, HeaderValue>) {
        self.insert(name, value.into_owned());
    }

    fn add(&mut self, name: &HeaderName, value: Cow<'a, HeaderValue>) {
        self.append(name, value.into_owned());
    }

    fn delete(&mut self, name: &HeaderName) {
        self.remove(name);
    }

    fn edit(&mut self, name: &HeaderName, edit: &dyn Fn(&mut HeaderValue)) {
        self.iter_mut().filter(|(its, _)| *its == name).for_each(|(_, value)| edit(value));
    }
}

/// Applies rules in the order of the Caddyfile.
pub(crate) fn apply<'a>(
    rules: &'a [HeaderRule],
    fields: &mut impl Change<'a>,
    req: &'a Request,
    facts: Option<&ResponseFacts<'_>>,
) {
    for rule in rules {
        rule.apply(fields, req, facts);
    }
}

impl Value {
    fn varies(&self) -> bool {
        match self {
            Self::Text(template) => template.is_literal().is_none(),
            Self::Fixed(_) => false,
            Self::Host | Self::ClientIp | Self::Scheme | Self::ServerPort => true,
        }
    }

    /// The value for this request; `None` if it is empty or not a valid field value.
    fn resolve<'a>(
        &'a self,
        req: &'a Request,
        facts: Option<&ResponseFacts<'_>>,
    ) -> Option<Cow<'a, HeaderValue>> {
        let text = match self {
            Self::Text(template) => template.expand(req, facts, ""),
            Self::Fixed(value) => return Some(Cow::Borrowed(value)),
            Self::Host => return req.head.headers.get(http::header::HOST).map(Cow::Borrowed),
            Self::ClientIp => return Some(Cow::Borrowed(req.peer.address())),
            Self::Scheme => return Some(Cow::Owned(HeaderValue::from_static(req.scheme()))),
            Self::ServerPort => return Some(Cow::Borrowed(req.peer.local_port())),
        };
        if text.is_empty() { None } else { HeaderValue::try_from(text).ok().map(Cow::Owned) }
    }
}

fn replace(value: &mut HeaderValue, pattern: &Regex, replacement: &str) {
    let Ok(text) = value.to_str() else { return };
    if let Ok(new) = HeaderValue::from_str(&pattern.replace_all(text, replacement)) {
        *value = new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::testing::request;

    fn values(rule: &[&str], initial: &[(&'static str, &'static str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in initial {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let rule = HeaderRule::parse(rule).unwrap().unwrap();
        apply(&[rule], &mut headers, &request("GET", "/"), None);
        let all: Vec<_> =
            headers.iter().map(|(n, v)| format!("{n}={}", v.to_str().unwrap())).collect();
        all.join("; ")
    }

    #[test]
    fn rules_change_fields() {
        for (rule, initial, after) in [
            (&["+Merge-Me", "v"][..], &[("merge-me", "i")][..], "merge-me=i; merge-me=v"),
            (&["+Add-Empty", ""], &[], ""),
            (&["-Remove-Me"], &[("remove-me", "x")], ""),
            (&["-Remove-Me", ""], &[("remove-me", "x")], ""),
            (&["Replace-Me", "new"], &[("replace-me", "a"), ("replace-me", "b")], "replace-me=new"),
            (&["Clear-Me", ""], &[("clear-me", "kept")], "clear-me=kept"),
            (
                &["Location", "^http://b/(.*)$", "https://a/$1"],
                &[("location", "http://b/x")],
                "location=https://a/x",
            ),
        ] {
            assert_eq!(values(rule, initial), after, "{rule:?}");
        }
    }

    #[test]
    fn bad_rules_are_refused() {
        assert!(HeaderRule::parse(&["X"]).unwrap().is_none());
        assert!(HeaderRule::parse(&[]).unwrap().is_none());
        assert!(HeaderRule::parse(&["+X", "a", "b"]).unwrap().is_none());
        assert!(HeaderRule::parse(&["X", "a", "b", "c"]).unwrap().is_none());
        assert!(HeaderRule::parse(&["X Y", "a"]).is_err());
        assert!(HeaderRule::parse(&["X", "(", "a"]).is_err());
    }

    #[test]
    fn transparent_names_the_client() {
        let mut headers = HeaderMap::new();
        apply(&HeaderRule::transparent(), &mut headers, &request("GET", "/"), None);
        assert_eq!(headers["host"], "site.test");
        assert_eq!(headers["x-real-ip"], "192.0.2.7");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["x-forwarded-port"], "8080");
    }
}
