//! `redir`: redirects clients.

use std::future::ready;

use http::{HeaderValue, Response, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::arguments::{self, Conditional};
use crate::caddyfile::Repeat::Accumulates;
use crate::caddyfile::{Args, ConfigError, Options, templated};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::condition::Conditions;
use crate::http::paths::Prefix;
use crate::http::placeholders::Template;
use crate::http::{Body, Fault, Request, html};
use crate::site::SiteBuilder;

/// All arguments may contain placeholders.
pub(super) static OPTIONS: Options<Block> = Options::<Block>::new(&[])
    .and(Block::CONDITIONS)
    .others(templated("[FROM] TO [CODE]", Accumulates, |block, args| {
        let mut words = vec![args.val()];
        words.extend(args.remaining());
        let rule = parsed(&words, block.code, args)?;
        block.rules.push(rule);
        Ok(())
    }));

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules: Vec<Rule> = Vec::new();
    while args.next() {
        let line = args.remaining();
        let mut block = Block { code: None, conditions: Conditions::default(), rules: Vec::new() };
        let is_block = args.opens_block();
        if is_block {
            block.code = match line.as_slice() {
                [] => None,
                [code] => Some(Kind::parse(code, args)?),
                _ => return Err(args.arg_error()),
            };
        }
        OPTIONS.read(&mut block, args)?;
        if !is_block {
            block.rules.push(parsed(&line, None, args)?);
        } else if block.rules.is_empty() {
            return Err(args.error("redir: the block has no target").hint("write: FROM TO [CODE]"));
        }
        let conditions = std::sync::Arc::new(block.conditions);
        for mut rule in block.rules {
            let is_twin = |other: &Rule| {
                other.from.as_str() == rule.from.as_str()
                    && conditions.is_empty()
                    && other.conditions.is_empty()
            };
            if rules.iter().any(is_twin) {
                let message = format!("rule with duplicate 'from' value: {}", rule.from);
                return Err(args.error(message).hint("keep one of the two redirects"));
            }
            rule.conditions = conditions.clone();
            rules.push(rule);
        }
    }
    site.answers_all |= rules.iter().any(|rule| rule.from.is_root() && rule.conditions.is_empty());
    site.push(Redirects { rules });
    Ok(())
}

pub(super) struct Block {
    code: Option<Kind>,
    conditions: Conditions,
    rules: Vec<Rule>,
}

impl Conditional for Block {
    fn conditions(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Code(StatusCode),
    /// A page that redirects the browser.
    Meta,
}

impl Kind {
    fn parse(text: &str, args: &Args<'_>) -> Result<Self, ConfigError> {
        Self::known(text).ok_or_else(|| {
            let hint = match code_of_word(text) {
                Some(code) => format!("write {code} in place of {text}"),
                None if text.starts_with('/') || text.contains("://") => {
                    "write FROM, TO and the code in this order, such as: redir /a /b 301".to_owned()
                }
                None => "write 300 to 305, 307, 308 or meta".to_owned(),
            };
            args.error(format!("Invalid redirect code '{text}'")).hint(hint)
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

/// The code for a word of nginx or Caddy 2.
fn code_of_word(word: &str) -> Option<&'static str> {
    match word {
        "permanent" => Some("301"),
        "temporary" | "redirect" => Some("302"),
        "html" => Some("meta"),
        _ => None,
    }
}

struct Rule {
    /// The exact path; `/` matches every path.
    from: Prefix,
    to: Template,
    /// Whether the target is written `//host…`.
    names_host: bool,
    kind: Kind,
    conditions: std::sync::Arc<Conditions>,
}

/// Characters that a URI cannot contain (RFC 3986 section 2).
const IN_LOCATION: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'|');

impl Rule {
    fn is_from(&self, route: &str) -> bool {
        self.from.is_root() || self.from.as_str() == route
    }

    /// The target as a URI reference. It names another host only if the Caddyfile does: a request
    /// for `//host/` must not become such a reference.
    fn location(&self, req: &Request) -> String {
        let text = self.to.expand_location(req);
        let mut location = utf8_percent_encode(&text, IN_LOCATION).to_string();
        if location.starts_with("//") && !self.names_host {
            location.replace_range(..location.len() - location.trim_start_matches('/').len(), "/");
        }
        location
    }
}

fn parsed(words: &[&str], code: Option<Kind>, args: &mut Args<'_>) -> Result<Rule, ConfigError> {
    let default = code.unwrap_or(Kind::Code(StatusCode::MOVED_PERMANENTLY));
    let (from, to, kind) = match *words {
        [to] => ("/", to, default),
        // Two words are FROM TO, or TO CODE if the second is a code and the first is not a path.
        [to, code] if Kind::known(code).is_some() => ("/", to, Kind::parse(code, args)?),
        [code, to] if Kind::known(code).is_some() => return Err(misplaced(to, code, code, args)),
        [to, word] if to.contains("://") && code_of_word(word).is_some() => {
            return Err(misplaced(to, word, code_of_word(word).unwrap_or_default(), args));
        }
        [from, to] => (from, to, default),
        [from, to, code] => (from, to, Kind::parse(code, args)?),
        _ => return Err(args.arg_error()),
    };
    if from == to {
        return Err(args
            .error("'from' and 'to' values of redirect rule cannot be the same")
            .hint("such a redirect would never end"));
    }
    let names_host =
        to.starts_with("//") && !to.starts_with("//{uri") && !to.starts_with("//{path");
    let (from, to) = (path(args, from)?, Template::parse(to));
    Ok(Rule { from, to, names_host, kind, conditions: std::sync::Arc::default() })
}

/// `word` is no FROM and no TO.
fn misplaced(to: &str, word: &str, code: &str, args: &Args<'_>) -> ConfigError {
    let error = args.error_at(word, format!("redir: '{word}' is not a path"));
    error.hint(format!("write: redir {to} {code}"))
}

/// FROM. Only exact paths are allowed; patterns require a condition.
fn path(args: &mut Args<'_>, word: &str) -> Result<Prefix, ConfigError> {
    let Some((before, _)) = word.split_once('*') else {
        return arguments::prefix(args, word);
    };
    let hint = match before.trim_end_matches('/') {
        "" => "write: / for every path".to_owned(),
        start => format!(
            "FROM is matched as a whole; for all paths that begin so write a block with: if \
             {{path}} starts_with {start}"
        ),
    };
    Err(args.error_at(word, format!("'{word}' matches no path: '*' is not a wildcard")).hint(hint))
}

struct Redirects {
    rules: Vec<Rule>,
}

impl Handler for Redirects {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route();
        let applies = |rule: &&Rule| rule.is_from(&route) && rule.conditions.hold(req);
        let Some(rule) = self.rules.iter().find(applies) else {
            drop(route);
            return next.run(req);
        };
        let target = rule.location(req);
        Box::pin(ready(match rule.kind {
            Kind::Code(status) => redirect(&target, status),
            Kind::Meta => Ok(page(&target)),
        }))
    }
}

/// Control characters are removed from the target, which prevents response splitting.
fn redirect(target: &str, status: StatusCode) -> crate::http::Reply {
    let Ok(location) = HeaderValue::try_from(target) else {
        return Err(Fault::status(StatusCode::BAD_REQUEST));
    };
    let reason = status.canonical_reason().unwrap_or("");
    if status == StatusCode::NOT_MODIFIED {
        // It has no content (RFC 9110 section 15.4.5).
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        response.headers_mut().insert(header::LOCATION, location);
        return Ok(response);
    }
    let text = format!("<a href=\"{}\">{reason}</a>.\n", html::escape(target));
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Ok(response)
}

fn page(target: &str) -> Response<Body> {
    let url = html::escape(target);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directives::testing;
    use crate::http::request::tests::request;
    use crate::site::Site;

    fn site(lines: &str) -> Result<Site, String> {
        testing::site("redir", setup, lines).map(SiteBuilder::build)
    }

    #[tokio::test]
    async fn where_to() {
        for (lines, target, expected) in [
            ("redir https://a{uri}", "/x?y", "301 https://a/x?y"),
            ("redir https://a 302", "/x", "302 https://a"),
            ("redir /a /b 307", "/a?q", "307 /b"),
            ("redir /a /b 307", "/%61", "307 /b"),
            ("redir /a /b", "/a/c", "404 "),
            ("redir 308 {\n/a /b\n/c /d 303\n}", "/c", "303 /d"),
            ("redir 308 {\n/a /b\n/c /d 303\n}", "/a", "308 /b"),
            ("redir {\nif {path} has .php\n/ /gone\n}", "/x.php", "301 /gone"),
            ("redir {\nif {path} has .php\n/ /gone\n}", "/x.html", "404 "),
            ("redir {uri}", "//evil.example/", "301 /evil.example/"),
            ("redir /b/{?to}", "/?to=x%0d%0aSet-Cookie:%20a", "301 /b/x%0D%0ASet-Cookie:%20a"),
            ("redir //b.example{uri}", "/x", "301 //b.example/x"),
            ("redir /a /b 304", "/a", "304 /b"),
            ("redir a /b", "/a", "301 /b"),
            ("redir /a /b", "/A", "404 "),
            ("redir /b?u={path}", "/x&y=z", "301 /b?u=/x%26y=z"),
        ] {
            let site = site(lines).unwrap();
            let mut req = request("GET", target);
            let shown = match site.handle(&mut req).await {
                Ok(r) => {
                    format!("{} {}", r.status().as_u16(), r.headers()["location"].to_str().unwrap())
                }
                Err(fault) => format!("{} ", fault.status.as_u16()),
            };
            assert_eq!(shown, expected, "{lines} for {target}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (lines, message) in [
            ("redir /a/* /b", "'/a/*' matches no path: '*' is not a wildcard"),
            ("redir http://a /b", "'http://a' is not a path: a path begins with '/'"),
            ("redir /a /a", "'from' and 'to' values of redirect rule cannot be the same"),
            ("redir /a /b\nredir /a /c", "rule with duplicate 'from' value: /a"),
            ("redir {\n/a /b\n/a /c\n}", "rule with duplicate 'from' value: /a"),
            ("redir /a /b 200", "Invalid redirect code '200'"),
            ("redir {\nif a b c\n/ /x\n}", "Invalid operator b"),
            ("redir 302 {\n}", "redir: the block has no target"),
            ("redir", "Wrong argument count or unexpected line ending after 'redir'"),
        ] {
            assert_eq!(site(lines).err().as_deref(), Some(message), "{lines}");
        }
        let twice = "redir {\nif a is b\n/ /x\n}\nredir {\nif b is b\n/ /y\n}";
        assert!(site(twice).is_ok());
    }
}
