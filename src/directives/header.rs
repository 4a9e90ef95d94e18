//! `header PATH [+|-]NAME [VALUE]`: changes fields of responses and of error pages.

use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::arguments;
use crate::caddyfile::Repeat::Accumulates;
use crate::caddyfile::{Args, ConfigError, Options, templated};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::Request;
use crate::http::early_hints::FieldRules;
use crate::http::paths::Prefix;
use crate::http::placeholders::{ResponseFacts, Template};
use crate::http::priority::{PRIORITY, Parameters};
use crate::http::response::Removed;
use crate::site::SiteBuilder;

/// All arguments may contain placeholders.
pub(super) static OPTIONS: Options<Rule> = Options::<Rule>::new(&[]).others(templated(
    "[+|-]NAME [VALUE], such as: Cache-Control no-store",
    Accumulates,
    |rule, args| {
        let (name, is_crowded) = (args.val(), args.shares_line());
        let values = args.remaining();
        // On one line, the value of a removal may be another field.
        if is_crowded && name.starts_with('-') && !values.is_empty() {
            return Err(args.arg_error());
        }
        rule.change(name, &values, args)
    },
));

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules = Vec::new();
    while args.next() {
        let word = args.required()?;
        let words = args.remaining();
        if is_field(word, &words) {
            let message = format!("'{word}' is not a path: a path begins with '/'");
            let hint = format!("write: header / {word} {}", words.join(" "));
            return Err(args.error_at(word, message).hint(hint.trim_end()));
        }
        let path = arguments::prefix(args, word)?;
        let mut rule = Rule { path, changes: Vec::new() };
        if let [name, values @ ..] = &words[..] {
            rule.change(name, values, args)?;
        }
        OPTIONS.read(&mut rule, args)?;
        if rule.changes.is_empty() {
            return Err(args.arg_error());
        }
        rule.changes.retain(|change| !change.is_framing());
        rules.push(Arc::new(rule));
    }
    site.push(Headers { rules });
    Ok(())
}

/// Whether a field name is at the place of the path: the next words are then its value.
fn is_field(word: &str, rest: &[&str]) -> bool {
    !word.starts_with('/') && (rest.len() == 1 || word.starts_with(['+', '-']))
}

struct Headers {
    rules: Vec<Arc<Rule>>,
}

#[derive(Debug)]
pub(super) struct Rule {
    path: Prefix,
    changes: Vec<Change>,
}

impl Rule {
    /// Adds a change of a field, by its name and the words after it.
    fn change(
        &mut self,
        name: &str,
        values: &[&str],
        args: &mut Args<'_>,
    ) -> Result<(), ConfigError> {
        let value = match *values {
            [] => None,
            [value] => Some(value),
            _ => return Err(args.arg_error().hint("quote a value that has spaces")),
        };
        let change = Change::parse(name, value, args)?;
        if change.is_framing() {
            args.warn(args.error(format!(
                "header: Content-Length and Transfer-Encoding follow from the content; the rule \
                 for '{}' leaves them alone",
                self.path
            )));
        }
        self.changes.push(change);
        Ok(())
    }
}

/// What to write in place of a priority that is none.
const PRIORITIES: &str = "write one of u=0 to u=7, i, or both, such as: \"u=1, i\"";

#[derive(Debug)]
enum Change {
    /// Unless an inner handler sets the field.
    Set(HeaderName, Text),
    Add(HeaderName, Text),
    Delete(HeaderName),
}

#[derive(Debug)]
enum Text {
    Fixed(HeaderValue),
    Template(Template),
}

impl Text {
    fn parse(text: &str) -> Self {
        let template = Template::parse(text);
        match template.is_literal().and_then(sanitised) {
            Some(value) => Self::Fixed(value),
            None => Self::Template(template),
        }
    }

    fn value(&self, req: &Request, facts: &ResponseFacts<'_>) -> Option<HeaderValue> {
        match self {
            Self::Fixed(value) => Some(value.clone()),
            Self::Template(template) => sanitised(&template.expand(req, Some(facts), "")),
        }
    }
}

/// Control characters become spaces, which prevents response splitting.
fn sanitised(text: &str) -> Option<HeaderValue> {
    let space = |byte: u8| if byte.is_ascii_control() { b' ' } else { byte };
    let bytes: Vec<u8> = text.bytes().map(space).collect();
    HeaderValue::from_maybe_shared(bytes::Bytes::from(bytes)).ok()
}

impl Change {
    fn parse(name: &str, value: Option<&str>, args: &Args<'_>) -> Result<Self, ConfigError> {
        let (sign, bare) = match name.as_bytes().first() {
            Some(b'+') => ('+', &name[1..]),
            Some(b'-') => ('-', &name[1..]),
            _ => ('=', name),
        };
        let field = arguments::field_name(args, bare)?;
        if sign == '-' {
            return Ok(Self::Delete(field));
        }
        // A single argument is both name and value, as in Caddy v1.
        let text = Text::parse(value.unwrap_or(bare));
        if let Text::Fixed(fixed) = &text
            && field == PRIORITY
            && !Parameters::is_valid(fixed.as_bytes())
        {
            let word = value.unwrap_or(name);
            let message = format!("'{word}' is not a priority (RFC 9218)");
            return Err(args.error_at(word, message).hint(PRIORITIES));
        }
        Ok(if sign == '+' { Self::Add(field, text) } else { Self::Set(field, text) })
    }

    /// Whether the field determines the framing of a message.
    fn is_framing(&self) -> bool {
        let (Self::Set(name, _) | Self::Add(name, _) | Self::Delete(name)) = self;
        name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING
    }
}

/// Fields whose configured values replace those of inner handlers: they are security policies for
/// the content, and setting them is the purpose of the rule.
static OURS: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_DISPOSITION,
    header::ACCEPT_RANGES,
    header::SET_COOKIE,
    header::CACHE_CONTROL,
    header::EXPIRES,
];

/// Sets, then adds, then deletes. The last value set for a field is used; a set value does not
/// replace that of an inner handler unless the field is one of [`OURS`]. A deleted field stays
/// deleted.
fn apply<'a>(
    changes: impl Iterator<Item = &'a Change> + Clone,
    headers: &mut HeaderMap,
    req: &Request,
    status: StatusCode,
) {
    let latency = req.received.elapsed();
    let facts = ResponseFacts { status: status.as_u16(), size: 0, latency, headers };
    // An error page has its own type.
    let is_page = req.upstream.is_none() && status.as_u16() >= 400;
    let gives_way = |name: &HeaderName| {
        let ours = OURS.contains(name) && !(is_page && name == header::CONTENT_TYPE);
        !ours && facts.headers.contains_key(name)
    };
    // Placeholders have the values of the original response.
    let given = changes.clone().filter_map(|change| match change {
        Change::Set(name, text) if !gives_way(name) => Some((change, name, text)),
        Change::Add(name, text) => Some((change, name, text)),
        Change::Set(..) | Change::Delete(_) => None,
    });
    let given = given.filter_map(|(change, name, text)| {
        text.value(req, &facts).map(|value| (matches!(change, Change::Set(..)), name, value))
    });
    let given: Vec<_> = given.collect();
    for (_, name, value) in given.iter().filter(|(is_set, ..)| *is_set) {
        headers.insert(*name, value.clone());
    }
    for (_, name, value) in given.iter().filter(|(is_set, ..)| !*is_set) {
        headers.append(*name, value.clone());
    }
    for change in changes {
        if let Change::Delete(name) = change {
            headers.remove(name);
        }
    }
}

/// The rules of one request.
#[derive(Debug)]
struct Applied(Vec<Arc<Rule>>);

impl FieldRules<Request> for Applied {
    fn apply(&self, fields: &mut HeaderMap, req: &Request) {
        let changes = self.0.iter().flat_map(|rule| &rule.changes);
        apply(changes, fields, req, StatusCode::EARLY_HINTS);
    }
}

impl Handler for Headers {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route();
        let of_path = self.rules.iter().filter(|rule| rule.path.holds(&route));
        let rules: Vec<&Arc<Rule>> = of_path.filter(|rule| !rule.changes.is_empty()).collect();
        drop(route);
        if rules.is_empty() {
            return next.run(req);
        }
        Box::pin(async move {
            if let Some(hints) = &mut req.early_hints {
                hints.push(Rc::new(Applied(rules.iter().copied().cloned().collect())));
            }
            let mut reply = next.run(&mut *req).await;
            if let Some(hints) = &mut req.early_hints {
                hints.pop();
            }
            let (headers, status) = match &mut reply {
                Ok(response) => {
                    let status = response.status();
                    (response.headers_mut(), status)
                }
                Err(fault) => (&mut fault.headers, fault.status),
            };
            apply(rules.iter().flat_map(|rule| &rule.changes), headers, req, status);
            for change in rules.iter().flat_map(|rule| &rule.changes) {
                if let Change::Delete(name) = change {
                    Removed::note(&mut req.head.extensions, name);
                }
            }
            reply
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::tests::request;

    fn set(name: &'static str, value: &str) -> Change {
        Change::Set(HeaderName::from_static(name), Text::parse(value))
    }

    fn fields(changes: &[Change], inner: &[(&'static str, &'static str)], status: u16) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in inner {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let status = StatusCode::from_u16(status).unwrap();
        apply(changes.iter(), &mut headers, &request("GET", "/x?q=a%0d%0ab"), status);
        let shown: Vec<_> =
            headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        shown.join(", ")
    }

    #[test]
    fn who_wins() {
        let add = Change::Add(HeaderName::from_static("x"), Text::parse("2"));
        let delete = || Change::Delete(HeaderName::from_static("x"));
        for (changes, inner, status, expected) in [
            (vec![set("x", "1")], vec![], 200, "x: 1"),
            (vec![set("x", "1"), set("x", "{?q}")], vec![], 200, "x: a  b"),
            (vec![set("x", "1")], vec![("x", "theirs")], 200, "x: theirs"),
            (vec![set("x", "1"), add], vec![], 200, "x: 1, x: 2"),
            (vec![delete(), set("x", "1")], vec![("x", "theirs")], 200, ""),
            (
                vec![set("cache-control", "ours")],
                vec![("cache-control", "a")],
                200,
                "cache-control: ours",
            ),
            (
                vec![set("content-type", "text/css")],
                vec![("content-type", "text/html")],
                200,
                "content-type: text/css",
            ),
            (
                vec![set("content-type", "text/css")],
                vec![("content-type", "text/html")],
                404,
                "content-type: text/html",
            ),
            (vec![set("y", "{<X} {status}")], vec![("x", "1")], 204, "x: 1, y: 1 204"),
        ] {
            assert_eq!(fields(&changes, &inner, status), expected);
        }
    }
}
