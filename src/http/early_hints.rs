//! Early hints (103, RFC 8297): which requests get them, and which fields of them are forwarded.

use std::cell::Cell;
use std::fmt::Debug;
use std::rc::Rc;

use http::header::{CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY, REFERRER_POLICY};
use http::header::{HeaderMap, HeaderName, LINK};

use crate::limits::{EARLY_HINT_BYTES, EARLY_HINTS};

pub static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
pub const NAVIGATE: &[u8] = b"navigate";

/// The fields that browsers read in a 103: the links, and the policies that apply to loading them.
static FIELDS: [HeaderName; 5] = [
    LINK,
    CONTENT_SECURITY_POLICY,
    CONTENT_SECURITY_POLICY_REPORT_ONLY,
    REFERRER_POLICY,
    HeaderName::from_static("cross-origin-embedder-policy"),
];

/// Writes interim responses to the client of one request.
pub trait InterimWriter: Debug {
    /// Sends a 103, unless it is too late.
    fn write(&self, fields: &HeaderMap);
}

/// Changes that a directive makes to the fields of a response.
pub trait FieldRules<R>: Debug {
    fn apply(&self, fields: &mut HeaderMap, request: &R);
}

/// The way of early hints to the client of one request, an `R`.
#[derive(Debug)]
pub struct EarlyHints<R> {
    writer: Rc<dyn InterimWriter>,
    /// The rules of the directives that the response passes, the last first.
    rules: Vec<Rc<dyn FieldRules<R>>>,
    sent: Cell<u8>,
    bytes: Cell<usize>,
}

/// Whether a request is that of a browser which loads a page. Browsers use early hints only then,
/// and some other clients take a 103 for the response (RFC 8297 section 3).
pub fn are_for(request: &HeaderMap) -> bool {
    request.get(&SEC_FETCH_MODE).is_some_and(|mode| mode.as_bytes() == NAVIGATE)
}

impl<R> EarlyHints<R> {
    pub fn new(writer: Rc<dyn InterimWriter>) -> Self {
        Self { writer, rules: Vec::new(), sent: Cell::new(0), bytes: Cell::new(0) }
    }

    /// Adds rules, until [`Self::pop`].
    pub fn push(&mut self, rules: Rc<dyn FieldRules<R>>) {
        self.rules.push(rules);
    }

    pub fn pop(&mut self) {
        self.rules.pop();
    }

    /// Sends the fields of an upstream's 103, as the rules change them.
    pub fn send(&self, mut fields: HeaderMap, request: &R) {
        for rules in self.rules.iter().rev() {
            rules.apply(&mut fields, request);
        }
        let mut passed = HeaderMap::new();
        for name in &FIELDS {
            for value in fields.get_all(name) {
                passed.append(name, value.clone());
            }
        }
        let size = |(name, value): (&HeaderName, &http::HeaderValue)| {
            name.as_str().len() + value.len() + 32
        };
        let bytes = self.bytes.get() + passed.iter().map(size).sum::<usize>();
        let is_within = self.sent.get() < EARLY_HINTS && bytes <= EARLY_HINT_BYTES;
        if is_within && passed.contains_key(LINK) {
            self.sent.set(self.sent.get() + 1);
            self.bytes.set(bytes);
            self.writer.write(&passed);
        }
    }

    /// Whether the client may have received some.
    pub fn are_sent(&self) -> bool {
        self.sent.get() > 0
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use http::HeaderValue;

    use super::*;

    #[derive(Debug, Default)]
    struct Written(RefCell<Vec<String>>);

    impl InterimWriter for Written {
        fn write(&self, fields: &HeaderMap) {
            let lines = fields.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap()));
            self.0.borrow_mut().push(lines.collect::<Vec<_>>().join(", "));
        }
    }

    #[derive(Debug)]
    struct Add(&'static str);

    impl FieldRules<()> for Add {
        fn apply(&self, fields: &mut HeaderMap, _: &()) {
            let before = fields.get(LINK).map_or("", |link| link.to_str().unwrap());
            let value = HeaderValue::try_from(format!("{before}{}", self.0)).unwrap();
            fields.insert(LINK, value);
        }
    }

    fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn only_what_browsers_use_is_forwarded() {
        let written = Rc::new(Written::default());
        let hints = EarlyHints::new(written.clone());
        hints.send(fields(&[("server", "x"), ("referrer-policy", "origin")]), &());
        assert!(!hints.are_sent());
        hints.send(fields(&[("server", "x"), ("link", "</a>"), ("link", "</b>")]), &());
        assert!(hints.are_sent());
        assert_eq!(*written.0.borrow(), ["link: </a>, link: </b>"]);
    }

    #[test]
    fn rules_apply_from_the_inside_out() {
        let written = Rc::new(Written::default());
        let mut hints = EarlyHints::new(written.clone());
        hints.push(Rc::new(Add("outer")));
        hints.push(Rc::new(Add("inner")));
        hints.send(fields(&[("link", "x")]), &());
        hints.pop();
        hints.send(fields(&[("link", "x")]), &());
        assert_eq!(*written.0.borrow(), ["link: xinnerouter", "link: xouter"]);
    }

    #[test]
    fn number_and_size_are_bounded() {
        let written = Rc::new(Written::default());
        let hints = EarlyHints::new(written.clone());
        let large = "x".repeat(EARLY_HINT_BYTES);
        hints.send(fields(&[("link", &large)]), &());
        assert_eq!(written.0.borrow().len(), 0);
        for _ in 0..2 * EARLY_HINTS {
            hints.send(fields(&[("link", "</a>")]), &());
        }
        assert_eq!(written.0.borrow().len(), usize::from(EARLY_HINTS));
        let hints = EarlyHints::new(written.clone());
        let half = "x".repeat(EARLY_HINT_BYTES / 2 - 36);
        (0..3).for_each(|_| hints.send(fields(&[("link", &half)]), &()));
        assert_eq!(written.0.borrow().len(), usize::from(EARLY_HINTS) + 2);
    }
}
