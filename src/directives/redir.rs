//! `redir`: sends clients elsewhere.

use std::future::ready;

use http::{HeaderValue, Response, StatusCode, header};

use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::condition::Conditions;
use crate::http::placeholders::Template;
use crate::http::{Body, Fault, Request};
use crate::site::SiteBuilder;

/// `redir TO`, `redir FROM TO [CODE]`, `redir [CODE] { [FROM] TO [CODE]; if…; if_op… }`.
pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules: Vec<Rule> = Vec::new();
    while args.next() {
        let line = args.remaining();
        let mut block = Block { code: None, conditions: Conditions::default(), rules: Vec::new() };
        let mut is_block = false;
        while args.next_block()? {
            if !is_block {
                is_block = true;
                block.code = match line.as_slice() {
                    [] => None,
                    [code] => Some(Kind::parse(code, args)?),
                    _ => return Err(args.arg_error()),
                };
            }
            block.entry(args)?;
        }
        if !is_block {
            block.rules.push(parsed(&line, None, args)?);
        } else if block.rules.is_empty() {
            return Err(args.error("redir: the block has no target").hint("write: FROM TO [CODE]"));
        }
        let conditions = std::sync::Arc::new(block.conditions);
        for mut rule in block.rules {
            let is_twin =
                |other: &Rule| other.from == rule.from && !is_block && !other.is_conditional;
            if rules.iter().any(is_twin) {
                let message = format!("rule with duplicate 'from' value: {}", rule.from);
                return Err(args.error(message).hint("keep one of the two redirects"));
            }
            rule.is_conditional = is_block;
            rule.conditions = conditions.clone();
            rules.push(rule);
        }
    }
    site.push(Redirects { rules });
    Ok(())
}

struct Block {
    code: Option<Kind>,
    conditions: Conditions,
    rules: Vec<Rule>,
}

impl Block {
    fn entry(&mut self, args: &mut Args<'_>) -> Result<(), ConfigError> {
        let mut words = vec![args.val()];
        words.extend(args.remaining());
        let refused = |message: String| {
            args.error(message)
                .hint("operators: is not has not_has starts_with ends_with match not_match")
        };
        match words.as_slice() {
            ["if", condition @ ..] => self.conditions.push(condition).map_err(refused),
            ["if_op", op] => self.conditions.set_op(op).map_err(refused),
            words => {
                self.rules.push(parsed(words, self.code, args)?);
                Ok(())
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Code(StatusCode),
    /// A page that the browser leaves by itself.
    Meta,
}

impl Kind {
    fn parse(text: &str, args: &Args<'_>) -> Result<Self, ConfigError> {
        Self::known(text).ok_or_else(|| {
            args.error(format!("Invalid redirect code '{text}'"))
                .hint("write 300 to 305, 307, 308 or meta")
        })
    }

    fn known(text: &str) -> Option<Self> {
        match text {
            "meta" => Some(Self::Meta),
            "300" | "301" | "302" | "303" | "304" | "305" | "307" | "308" => {
                StatusCode::from_bytes(text.as_bytes()).ok().map(Self::Code)
            }
            _ => None,
        }
    }
}

struct Rule {
    /// The exact path; `/` is every path.
    from: String,
    to: Template,
    kind: Kind,
    conditions: std::sync::Arc<Conditions>,
    is_conditional: bool,
}

fn parsed(words: &[&str], code: Option<Kind>, args: &Args<'_>) -> Result<Rule, ConfigError> {
    let default = code.unwrap_or(Kind::Code(StatusCode::MOVED_PERMANENTLY));
    let (from, to, kind) = match *words {
        [to] => ("/", to, default),
        // Two words are FROM TO; TO CODE where the second is a code and the first no path.
        [to, code] if Kind::known(code).is_some() => ("/", to, Kind::parse(code, args)?),
        [from, to] => (from, to, default),
        [from, to, code] => (from, to, Kind::parse(code, args)?),
        _ => return Err(args.arg_error()),
    };
    if from == to {
        return Err(args
            .error("'from' and 'to' values of redirect rule cannot be the same")
            .hint("such a redirect would never end"));
    }
    let (from, to) = (from.to_owned(), Template::parse(to));
    Ok(Rule { from, to, kind, conditions: std::sync::Arc::default(), is_conditional: false })
}

struct Redirects {
    rules: Vec<Rule>,
}

impl Handler for Redirects {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let applies = |rule: &&Rule| {
            (rule.from == "/" || rule.from == req.path()) && rule.conditions.hold(req)
        };
        let Some(rule) = self.rules.iter().find(applies) else { return next.run(req) };
        let target = rule.to.expand(req, None, "");
        Box::pin(ready(match rule.kind {
            Kind::Code(status) => redirect(&target, status),
            Kind::Meta => Ok(page(&target)),
        }))
    }
}

/// A target with control characters cannot become a field: no response splitting.
fn redirect(target: &str, status: StatusCode) -> crate::http::Reply {
    let Ok(location) = HeaderValue::try_from(target) else {
        return Err(Fault::status(StatusCode::BAD_REQUEST));
    };
    let reason = status.canonical_reason().unwrap_or("");
    let text = format!("<a href=\"{}\">{reason}</a>.\n", html_escaped(target));
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Ok(response)
}

fn page(target: &str) -> Response<Body> {
    let url = html_escaped(target);
    let text = format!(
        "<!DOCTYPE html>\n<html><head><meta http-equiv=\"refresh\" content=\"0; url={url}\">\
         <script>window.location.replace(document.querySelector('meta').content.slice(7));</script>\
         </head><body>Redirecting to <a href=\"{url}\">{url}</a>…</body></html>\n"
    );
    let mut response = Response::new(Body::from(text));
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

fn html_escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;")
}
