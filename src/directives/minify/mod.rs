//! `minify`: takes comments and superfluous white space out of responses.

mod rule;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::response::Parts;
use http::{Method, Response, StatusCode};

use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::extension;
use crate::http::{Body, Fault, Reply, Request};
use crate::limits::MINIFY_BYTES;
use crate::minified::{Language, minified};
use crate::own_files::{Cache, OwnFile, Raw};
use crate::remake::{self, Content, Known, Made};
use crate::site::SiteBuilder;

pub(super) use rule::OPTIONS;
use rule::Rule;

/// Larger content is minified beside the worker.
const AT_ONCE: usize = 16 << 10;

/// Extensions of what makes pages, whatever its own type is.
const MAKERS: [&str; 12] = [
    ".php",
    ".cgi",
    ".py",
    ".pl",
    ".rb",
    ".asp",
    ".aspx",
    ".jsp",
    ".do",
    ".md",
    ".markdown",
    ".mdown",
];

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules = Vec::new();
    while args.next() {
        rules.push(rule::read(args)?);
    }
    site.remakes_files = true;
    let caches = rules.iter().map(|_| Arc::default()).collect();
    site.push(Minify { rules, caches });
    Ok(())
}

/// The first rule that holds a path is used.
struct Minify {
    rules: Vec<Rule>,
    /// What each rule made of files.
    caches: Vec<Arc<Cache<Made>>>,
}

impl Handler for Minify {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route();
        let known = known(&route).filter(|_| req.upgrade.is_none());
        let rule = known.and_then(|_| self.rules.iter().position(|rule| rule.holds(&route)));
        drop(route);
        let (Some(known), Some(at)) = (known, rule) else { return next.run(req) };
        let rule = &self.rules[at];
        if !rule.conditions.is_empty() && !rule.conditions.hold(req) {
            return next.run(req);
        }
        Box::pin(async move {
            let is_read = matches!(req.head.method, Method::GET | Method::HEAD);
            if is_read {
                req.head.extensions.insert(Raw);
            }
            let meant = |head: &Parts| rule.language(&head.headers).is_some();
            let reply = remake::ask(req, next, known, meant).await;
            req.head.extensions.remove::<Raw>();
            let (head, body) = reply?.into_parts();
            let language = rule.language(&head.headers);
            let Some(language) = language.filter(|_| may_change(&head)) else {
                return Ok(Response::from_parts(head, body));
            };
            if req.head.method == Method::HEAD {
                return Ok(remake::respond_to_head(head));
            }
            self.answer(req, Way { at, language }, head, body).await
        })
    }
}

/// How a response is minified.
#[derive(Clone, Copy)]
struct Way {
    /// The place of its rule.
    at: usize,
    language: Language,
}

impl Minify {
    async fn answer(&self, req: &Request, way: Way, mut head: Parts, body: Body) -> Reply {
        let file = head.extensions.get::<OwnFile>().cloned();
        let cache = &self.caches[way.at];
        head.headers.remove("sourcemap");
        if let Some(made) = file.as_ref().and_then(|file| cache.get(&file.path, &file.state)) {
            return remake::respond(req, head, &made);
        }
        let broken = |error| Fault::caused(StatusCode::BAD_GATEWAY, error);
        let content = remake::collect(&head.headers, body, MINIFY_BYTES).await.map_err(broken)?;
        let content = match content {
            Content::Whole(content) => content,
            Content::Unread(body, _) => return Ok(Response::from_parts(head, body)),
        };
        let space = self.rules[way.at].space(way.language);
        let made = if content.len() <= AT_ONCE {
            smaller(way.language, space, content)
        } else {
            let failed = |error| Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, error);
            let work = move || smaller(way.language, space, content);
            tokio::task::spawn_blocking(work).await.map_err(failed)?
        };
        let made = Arc::new(Made::new(made));
        if let Some(file) = file {
            cache.put(&file.path, &file.state, made.content().len(), &made);
        }
        remake::respond(req, head, &made)
    }
}

/// The content without what no reader needs, or as it is.
fn smaller(language: Language, space: crate::minified::Space, content: Bytes) -> Bytes {
    // Encodings in which bytes of ASCII mean something else.
    let is_other = |text: &str| text.contains(['\0', '\x1b']);
    let text = std::str::from_utf8(&content).ok().filter(|text| !is_other(text));
    match text.and_then(|text| minified(language, space, text)) {
        Some(made) => made.into(),
        None => content,
    }
}

/// How a path tells that its content may be minified, if it may.
fn known(route: &str) -> Option<Known> {
    let extension = extension(route);
    let name = route.rsplit('/').next().unwrap_or_default();
    if name.contains(".min.") {
        return None;
    }
    let is_maker = MAKERS.iter().any(|maker| maker.eq_ignore_ascii_case(extension));
    let guess = mime_guess::from_ext(extension.trim_start_matches('.')).first_raw();
    match guess {
        None => Some(Known::ByHead),
        Some(_) if is_maker => Some(Known::ByHead),
        Some(kind) => Language::of(kind).map(|_| Known::ByPath),
    }
}

/// Whether a response has content that may be changed (RFC 9111 section 5.2.2.6).
fn may_change(head: &Parts) -> bool {
    let control = head.headers.get_all(CACHE_CONTROL).into_iter();
    let mut control = control.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    let is_fixed = control.any(|one| one.trim().eq_ignore_ascii_case("no-transform"));
    remake::is_whole(head) && !is_fixed
}
