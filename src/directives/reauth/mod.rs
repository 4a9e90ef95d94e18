//! `reauth`: users and passwords that a list in the Caddyfile or another server knows.

mod backend;
mod failure;
mod pairs;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header;

use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, Forbidden};
use crate::caddyfile::{Args, ConfigError, Options, option, templated};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::{Prefix, Readings};
use crate::http::{Fault, Reply, Request};
use crate::site::{SiteBuilder, Task};
use crate::upstream::keep_resolved;

use backend::Backend;
use failure::Failure;

pub(super) static OPTIONS: Options<Rule> = Options::new(&[
    option("path PATH, such as: path /private", Accumulates, |rule, args| {
        let word = args.required()?;
        args.no_more()?;
        arguments::prefix(args, word).map(|path| rule.paths.push(path))
    }),
    option("except PATH, such as: except /public", Accumulates, |rule, args| {
        let word = args.required()?;
        args.no_more()?;
        arguments::prefix(args, word).map(|path| rule.except.push(path))
    }),
    templated(
        "failure httpbasic|redirect|status [NAME=VALUE,...], such as: failure status code=403",
        Forbidden,
        |rule, args| failure::read(args).map(|failure| rule.failure = failure),
    ),
    option("simple USER=PASSWORD,..., such as: simple kim=secret", Accumulates, |rule, args| {
        backend::simple(args).map(|backend| rule.backends.push(backend))
    }),
    option(
        "upstream url=URL[,NAME=VALUE...], such as: upstream url=https://auth.example.com",
        Accumulates,
        |rule, args| backend::upstream(args).map(|backend| rule.backends.push(backend)),
    ),
    option("refresh url=URL", Accumulates, |_, args| Err(backend::absent(args))),
    option("gitlabci url=URL", Accumulates, |_, args| Err(backend::absent(args))),
    option("gitlab url=URL", Accumulates, |_, args| Err(backend::absent(args))),
    option("ldap JSON", Accumulates, |_, args| Err(backend::absent(args))),
]);

/// One block.
#[derive(Default)]
pub(super) struct Rule {
    paths: Vec<Prefix>,
    except: Vec<Prefix>,
    backends: Vec<Backend>,
    failure: Failure,
}

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules = Vec::new();
    while args.next() {
        args.no_more()?;
        let mut rule = Rule::default();
        OPTIONS.read(&mut rule, args)?;
        if rule.paths.is_empty() {
            return Err(args.error("reauth: no path is protected").hint("write: path /"));
        }
        if rule.backends.is_empty() {
            return Err(args
                .error("reauth: nobody knows the users")
                .hint("write: simple USER=PASSWORD, or: upstream url=URL"));
        }
        for name in rule.backends.iter().filter_map(Backend::named) {
            site.tasks.push(Task::new(move || keep_resolved(vec![name])));
        }
        rules.push(rule);
    }
    site.push(ReAuth { rules });
    Ok(())
}

/// The credentials of a client.
struct Credentials {
    user: String,
    password: String,
}

impl Credentials {
    fn of(req: &Request) -> Option<Self> {
        let value = req.head.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, encoded) = value.split_once(' ')?;
        let plain = BASE64_STANDARD.decode(encoded.trim()).ok()?;
        let plain = String::from_utf8(plain).ok()?;
        let (user, password) = plain.split_once(':')?;
        let is_basic = scheme.eq_ignore_ascii_case("basic");
        is_basic.then(|| Self { user: user.to_owned(), password: password.to_owned() })
    }
}

struct ReAuth {
    rules: Vec<Rule>,
}

impl Rule {
    fn protects(&self, readings: &Readings<'_>) -> bool {
        self.paths.iter().any(|path| readings.touch(path))
            && !self.except.iter().any(|path| readings.lie_in(path))
    }

    async fn decide(&self, req: &mut Request, next: Next<'_>) -> Reply {
        match self.admits(req).await? {
            Some(user) => {
                req.user = Some(user);
                next.run(req).await
            }
            None => self.failure.reply(req),
        }
    }

    /// The user, if one of the backends accepts the credentials.
    async fn admits(&self, req: &Request) -> Result<Option<String>, Fault> {
        let Some(credentials) = Credentials::of(req) else { return Ok(None) };
        for backend in &self.backends {
            if backend.accepts(req, &credentials).await? {
                return Ok(Some(credentials.user));
            }
        }
        Ok(None)
    }
}

impl Handler for ReAuth {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let readings = req.readings();
        let rule = self.rules.iter().find(|rule| rule.protects(&readings));
        drop(readings);
        match rule {
            Some(rule) => Box::pin(rule.decide(req, next)),
            None => next.run(req),
        }
    }
}
