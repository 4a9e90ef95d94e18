//! `header PATH [+|-]NAME [VALUE]`: fields of responses, and of faults on their way to a page.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::placeholders::Template;
use crate::http::{Request, paths};
use crate::site::SiteBuilder;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules: Vec<Rule> = Vec::new();
    while args.next() {
        let path = args.required()?.to_owned();
        let mut changes = Vec::new();
        match args.remaining().as_slice() {
            [] => {}
            [name] => changes.push(Change::parse(name, None, args)?),
            [name, value] => changes.push(Change::parse(name, Some(value), args)?),
            _ => return Err(args.arg_error().hint("quote a value that has spaces")),
        }
        while args.next_block()? {
            let name = args.val();
            match args.remaining().as_slice() {
                [] => changes.push(Change::parse(name, None, args)?),
                [value] => changes.push(Change::parse(name, Some(value), args)?),
                _ => return Err(args.arg_error().hint("quote a value that has spaces")),
            }
        }
        if changes.is_empty() {
            return Err(args.arg_error());
        }
        rules.push(Rule { path, changes });
    }
    site.push(Headers { rules });
    Ok(())
}

struct Headers {
    rules: Vec<Rule>,
}

struct Rule {
    path: String,
    changes: Vec<Change>,
}

enum Change {
    /// Unless an inner handler gives the field itself.
    Set(HeaderName, Template),
    Add(HeaderName, Template),
    Delete(HeaderName),
}

impl Change {
    fn parse(name: &str, value: Option<&str>, args: &Args<'_>) -> Result<Self, ConfigError> {
        let (sign, bare) = match name.as_bytes().first() {
            Some(b'+') => ('+', &name[1..]),
            Some(b'-') => ('-', &name[1..]),
            _ => ('=', name),
        };
        let field = HeaderName::try_from(bare).map_err(|_| {
            args.error(format!("'{bare}' is not a header field name"))
                .hint("a name has letters, digits and '-', and no ':'")
        })?;
        if sign == '-' {
            return Ok(Self::Delete(field));
        }
        // One argument is both name and value, as v1 had it.
        let value = Template::parse(value.unwrap_or(bare));
        Ok(if sign == '+' { Self::Add(field, value) } else { Self::Set(field, value) })
    }

    fn value(template: &Template, req: &Request) -> Option<HeaderValue> {
        HeaderValue::try_from(template.expand(req, None, "")).ok()
    }

    fn apply(&self, headers: &mut HeaderMap, req: &Request) {
        match self {
            Self::Set(name, template) => {
                if !headers.contains_key(name)
                    && let Some(value) = Self::value(template, req)
                {
                    headers.insert(name.clone(), value);
                }
            }
            Self::Add(name, template) => {
                if let Some(value) = Self::value(template, req) {
                    headers.append(name.clone(), value);
                }
            }
            Self::Delete(name) => drop(headers.remove(name)),
        }
    }
}

impl Handler for Headers {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        Box::pin(async move {
            let route = req.route().into_owned();
            let mut reply = next.run(req).await;
            let headers = match &mut reply {
                Ok(response) => response.headers_mut(),
                Err(fault) => &mut fault.headers,
            };
            for rule in self.rules.iter().filter(|rule| paths::under(&route, &rule.path)) {
                rule.changes.iter().for_each(|change| change.apply(headers, req));
            }
            reply
        })
    }
}
