//! `rewrite`: changes the target of a request for later handlers.

use std::path::{Path, PathBuf};

use http::{StatusCode, Uri};
use percent_encoding::utf8_percent_encode;
use regex::Regex;

use crate::arguments::{self, Conditional};
use crate::caddyfile::Repeat::LastWins;
use crate::caddyfile::{Args, ConfigError, Options, option, templated};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::condition::Conditions;
use crate::http::paths::{self, Prefix};
use crate::http::placeholders::{Captures, Template};
use crate::http::target;
use crate::http::{Fault, Request};
use crate::site::SiteBuilder;

pub(super) static OPTIONS: Options<Rule> = Options::<Rule>::new(&[
    option("r PATTERN, a regular expression", LastWins, pattern),
    option("regexp PATTERN, a regular expression", LastWins, pattern),
    option("ext EXTENSION..., such as: ext .html !.php", LastWins, |rule, args| {
        args.each(|_, ext| Ok(ext.to_owned())).map(|exts| rule.exts = exts)
    }),
    templated("to TO..., such as: to {path} /index.html", LastWins, |rule, args| {
        args.each(|_, to| Ok(Template::parse(to))).map(|to| rule.to = to)
    }),
])
.and(Rule::CONDITIONS);

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules = Vec::new();
    while args.next() {
        let words = args.remaining();
        let mut rule = Rule::new(Prefix::default(), Matcher::Everything);
        if OPTIONS.read(&mut rule, args)?.is_empty() {
            rule = simple(&words, args)?;
        } else if let [base] = words[..] {
            rule.base = arguments::prefix(args, base)?;
        } else if !words.is_empty() {
            return Err(args.arg_error());
        }
        if rule.to.is_empty() {
            return Err(args.error("rewrite: 'to' is missing").hint("write: to TO..."));
        }
        rules.push(rule);
    }
    // Of several matching rules, the longest base is used, then the first.
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.base.as_str().len()));
    site.push(Rewrite { rules, root: site.root.clone() });
    Ok(())
}

fn simple(words: &[&str], args: &Args<'_>) -> Result<Rule, ConfigError> {
    let (not, words) = match words {
        ["not", rest @ ..] => (true, rest),
        words => (false, words),
    };
    let [from, to @ ..] = words else { return Err(args.arg_error()) };
    if to.is_empty() {
        return Err(args.arg_error());
    }
    let matcher = Matcher::Pattern { regex: arguments::pattern(args, from)?, not };
    let mut rule = Rule::new(Prefix::default(), matcher);
    rule.to = to.iter().map(|to| Template::parse(to)).collect();
    Ok(rule)
}

fn pattern(rule: &mut Rule, args: &mut Args<'_>) -> Result<(), ConfigError> {
    let word = args.required()?;
    let regex = arguments::pattern(args, word)?;
    rule.matcher = Matcher::Pattern { regex, not: false };
    Ok(())
}

pub(super) struct Rule {
    base: Prefix,
    matcher: Matcher,
    /// `.a` must match, `!.a` must not, `/` means no extension.
    exts: Vec<String>,
    conditions: Conditions,
    to: Vec<Template>,
}

impl Conditional for Rule {
    fn conditions(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
}

pub(super) enum Matcher {
    Everything,
    /// Matches the path after the base.
    Pattern {
        regex: Regex,
        not: bool,
    },
}

impl Rule {
    fn new(base: Prefix, matcher: Matcher) -> Self {
        let conditions = Conditions::default();
        Self { base, matcher, exts: Vec::new(), conditions, to: Vec::new() }
    }

    /// The captures of the rule, if it applies.
    fn matches(&self, req: &Request) -> Option<Captures> {
        let route = req.route();
        let rest = self.base.rest(&route)?;
        if !self.takes_extension(&route) {
            return None;
        }
        let captures = match &self.matcher {
            Matcher::Everything => Vec::new(),
            Matcher::Pattern { regex, not } => match regex.captures(rest) {
                Some(_) if *not => return None,
                Some(found) => captured(&found),
                None => not.then(Vec::new)?,
            },
        };
        self.conditions.hold(req).then_some(Captures(captures))
    }

    fn takes_extension(&self, path: &str) -> bool {
        let ext = Some(paths::extension(path)).filter(|ext| !ext.is_empty()).unwrap_or("/");
        let mut positive = self.exts.iter().filter(|one| !one.starts_with('!')).peekable();
        let refused = self.exts.iter().any(|one| one.strip_prefix('!') == Some(ext));
        !refused && (positive.peek().is_none() || positive.any(|one| one == ext))
    }
}

/// Groups from 1, percent-encoded again: a capture is part of a path.
fn captured(found: &regex::Captures<'_>) -> Vec<String> {
    let encoded = |text| utf8_percent_encode(text, paths::IN_PATH).to_string();
    found
        .iter()
        .skip(1)
        .map(|group| group.map_or_else(String::new, |g| encoded(g.as_str())))
        .collect()
}

struct Rewrite {
    rules: Vec<Rule>,
    root: PathBuf,
}

impl Handler for Rewrite {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let found = self.rules.iter().find_map(|rule| Some((rule, rule.matches(req)?)));
        let Some((rule, captures)) = found else { return next.run(req) };
        Box::pin(async move {
            req.head.uri = destination(rule, req, &captures, &self.root).await?;
            next.run(req).await
        })
    }
}

/// The first destination that exists below the root, else the last one. A destination that is not a
/// valid target is refused: the request must not continue with its original path.
async fn destination(
    rule: &Rule,
    req: &Request,
    captures: &Captures,
    root: &Path,
) -> Result<Uri, Fault> {
    let mut found = None;
    for (at, template) in rule.to.iter().enumerate() {
        let uri = destined(template, req, captures)
            .map_err(|error| Fault::caused(StatusCode::BAD_REQUEST, error))?;
        if paths::is_ambiguous(uri.path()) {
            let cause = format!("servers read the path of {uri} differently");
            return Err(Fault::caused(StatusCode::BAD_REQUEST, cause));
        }
        if at + 1 == rule.to.len() || exists(root, uri.path()).await {
            found = Some(uri);
            break;
        }
    }
    found.ok_or_else(|| Fault::status(StatusCode::INTERNAL_SERVER_ERROR))
}

/// A destination without a query keeps that of the request.
fn destined(
    template: &Template,
    req: &Request,
    captures: &Captures,
) -> Result<Uri, http::uri::InvalidUri> {
    let uri = target::parse(&template.expand_with(req, captures))?;
    match req.head.uri.query() {
        Some(query) if uri.query().is_none() => format!("{uri}?{query}").parse(),
        _ => Ok(uri),
    }
}

/// A path with a trailing slash must be a directory, any other a file.
async fn exists(root: &Path, path: &str) -> bool {
    let Some(file) = target::file(root, path) else { return false };
    tokio::fs::metadata(file)
        .await
        .is_ok_and(|meta| meta.is_dir() == paths::normal(path).ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::tests::request;

    #[test]
    fn extensions() {
        for (exts, path, taken) in [
            (&[][..], "/x.php", true),
            (&[".php"][..], "/x.php", true),
            (&[".php"][..], "/x.html", false),
            (&["!.php"][..], "/x.php", false),
            (&["!.php"][..], "/x.html", true),
            (&["/"][..], "/x", true),
            (&["/"][..], "/x.html", false),
        ] {
            let mut rule = Rule::new(Prefix::default(), Matcher::Everything);
            rule.exts = exts.iter().map(|ext| (*ext).to_owned()).collect();
            assert_eq!(rule.takes_extension(path), taken, "{exts:?} {path}");
        }
    }

    #[test]
    fn captures_stay_pieces_of_a_path() {
        let regex = Regex::new("^/a/(.*)$").unwrap();
        let mut rule = Rule::new(Prefix::default(), Matcher::Pattern { regex, not: false });
        rule.to = vec![Template::parse("/b/{1}")];
        for (path, expected) in [
            ("/a/x%3Fy", "/b/x%3Fy"),
            ("/a/x%252Fy", "/b/x%252Fy"),
            ("/a/x%20y%0d", "/b/x%20y%0D"),
            ("/a/%C3%A9%23?q=1", "/b/%C3%A9%23?q=1"),
        ] {
            let req = request("GET", path);
            let captures = rule.matches(&req).unwrap();
            assert_eq!(destined(&rule.to[0], &req, &captures).unwrap(), expected, "{path}");
        }
    }

    #[tokio::test]
    async fn the_first_that_exists_else_the_last() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("sub")).unwrap();
        std::fs::write(root.path().join("a b.txt"), "x").unwrap();
        let mut rule = Rule::new(Prefix::default(), Matcher::Everything);
        rule.to = ["{path}", "{path}/", "/index.php?p={path}&{query}"].map(Template::parse).into();
        for (path, expected) in [
            ("/a%20b.txt?k", "/a%20b.txt?k"),
            ("/sub", "/sub/"),
            ("/none?k=v", "/index.php?p=/none&k=v"),
            ("/sub/..%2fa%20b.txt", "/sub/..%2fa%20b.txt"),
            ("/none&x=y", "/index.php?p=/none%26x=y&"),
        ] {
            let req = request("GET", path);
            let found = destination(&rule, &req, &Captures::default(), root.path()).await;
            assert_eq!(found.unwrap(), expected, "{path}");
        }
    }
}
