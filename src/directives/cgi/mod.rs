//! `cgi`: runs a program for each request (RFC 3875).

mod options;
mod rule;
mod run;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::Semaphore;

use self::rule::Rule;

use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::Request;
use crate::limits::CGI_PROGRAMS;
use crate::site::SiteBuilder;

pub(super) use options::OPTIONS;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules = Vec::new();
    while args.next() {
        rules.extend(options::read(args, site)?);
    }
    let places = Arc::new(Semaphore::new(CGI_PROGRAMS));
    let shared = run::Site { places, log: site.error_log() };
    site.push(Cgi { rules, site: shared });
    Ok(())
}

struct Cgi {
    rules: Vec<Rule>,
    site: run::Site,
}

impl Handler for Cgi {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route().into_owned();
        let found = self.rules.iter().find_map(|rule| Some((rule, rule.matched(&route)?.len())));
        let Some((rule, length)) = found else { return next.run(req) };
        Box::pin(async move {
            let (matched, info) = route.split_at(length);
            // `/` is a folder of every path.
            let info = if matched == "/" { &route[..] } else { info };
            let script = run::Script { matched, info };
            run::run(&self.site, rule, req, script).await
        })
    }
}
