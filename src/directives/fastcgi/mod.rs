//! `fastcgi`: passes requests to FastCGI responders such as php-fpm.
//!
//! [`options`] reads the directive, [`script`] finds the script, [`env`] builds its variables;
//! [`exchange`] moves [`record`]s in both directions over a connection of [`conn`], and [`respond`]
//! builds the response. This file selects the responder and retries.
//!
//! The protocol is implemented here because the available library sends a whole request before it
//! reads: a script that responds while it still receives would deadlock.

mod address;
mod conn;
mod env;
mod error;
mod exchange;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod options;
mod record;
mod respond;
mod script;
mod spool;
mod turn;
mod upload;

#[cfg(test)]
mod tests;

use http::header::CONTENT_LENGTH;
use hyper::body::Body as _;

use self::address::Upstream;
use self::error::FastCgiError;
use self::exchange::{Exchange, Terms};
pub(super) use self::options::OPTIONS;
use self::options::Rule;
use self::respond::{Answer, receive};
use self::upload::Upload;
use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::error_lines::ErrorLines;
use crate::http::sink::ErrorLog;
use crate::http::{Body, Reply, Request};
use crate::site::{SiteBuilder, Task};
use crate::upstream::keep_resolved;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules = Vec::new();
    while args.next() {
        let rule = Rule::parse(args, site)?;
        if !rule.scripts.local && !rule.scripts.split.is_empty() {
            args.warn(args.error(format!(
                "fastcgi {}: {} {} on this machine; scripts are passed on unchecked",
                rule.path,
                if rule.scripts.root.is_dir() { "nothing is in" } else { "there is no directory" },
                rule.scripts.root.display()
            )));
        }
        let names: Vec<_> =
            rule.upstreams.all.iter().filter_map(Upstream::named).cloned().collect();
        if !names.is_empty() {
            site.tasks.push(Task::new(move || keep_resolved(names)));
        }
        site.answers_all |= rule.answers_all();
        rules.push(rule);
    }
    site.scripts.end_with(rules.iter().flat_map(|rule| rule.scripts.endings()).collect());
    let log = site.error_log();
    site.push(FastCgi { rules, log });
    Ok(())
}

/// All `fastcgi` directives of a site.
struct FastCgi {
    /// In the order of the Caddyfile: the first with a script for a path responds.
    rules: Vec<Rule>,
    log: ErrorLog,
}

impl Handler for FastCgi {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route();
        if !self.rules.iter().any(|rule| rule.covers(&route)) {
            drop(route);
            return next.run(req);
        }
        drop(route);
        Box::pin(async move {
            for rule in &self.rules {
                if rule.covers(&req.route())
                    && let Some(script) = script::find(&rule.scripts, req.path()).await?
                {
                    req.peer.values.set_awaits_upstream(true);
                    return serve(rule, &self.log, req, &script).await;
                }
            }
            next.run(req).await
        })
    }
}

async fn serve(rule: &Rule, log: &ErrorLog, req: &mut Request, script: &script::Script) -> Reply {
    let (body, length) = content(req).await?;
    let params = env::params(rule, req, script, length);
    let mut call = Call { rule, log, params: &params, body: Some(body), length };
    let mut failure = None;
    for upstream in rule.upstreams.in_turn() {
        match call.attempt(req, upstream).await {
            Outcome::Answered(answer, exchange) => {
                req.upstream = Some(upstream.name.clone());
                return Ok(answer.into_response(*exchange));
            }
            Outcome::Failed { error, again } => {
                let error = error.at(&upstream.name);
                if !again {
                    return Err(error.into());
                }
                rule.upstreams.avoid(upstream);
                failure = Some(error);
            }
        }
    }
    Err(failure.unwrap_or(FastCgiError::Refused).into())
}

/// The request's content and its length.
async fn content(req: &mut Request) -> Result<(Body, u64), FastCgiError> {
    let body = std::mem::take(&mut req.body);
    if body.is_end_stream() {
        return Ok((body, 0));
    }
    let said = req.head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match body.size_hint().exact().or_else(|| said.and_then(|text| text.parse().ok())) {
        Some(length) => Ok((body, length)),
        // Boxed because it is rare: it would enlarge the future of every request.
        None => Box::pin(spool::spool(body)).await,
    }
}

/// The parts of a request that do not depend on the responder.
struct Call<'a> {
    rule: &'a Rule,
    log: &'a ErrorLog,
    params: &'a [u8],
    /// `None` once a responder has received some of it.
    body: Option<Body>,
    length: u64,
}

/// How an attempt ended.
enum Outcome {
    Answered(Answer, Box<Exchange>),
    /// `again`: the request may be sent to another responder.
    Failed {
        error: FastCgiError,
        again: bool,
    },
}

impl Call<'_> {
    /// One attempt at one responder: over an idle connection if there is one, else over a new one.
    async fn attempt(&mut self, req: &Request, upstream: &Upstream) -> Outcome {
        let rule = self.rule;
        let safe = req.head.method.is_idempotent() && self.length == 0;
        // A request that must not be sent twice requires a connection that is known to be open.
        let mut pooled = if rule.pool > 0 { conn::pooled(upstream, !safe) } else { None };
        loop {
            let reused = pooled.is_some();
            let mut conn = match pooled.take() {
                Some(conn) => conn,
                None => match conn::connect(upstream, rule.connect_timeout).await {
                    Ok(conn) => conn,
                    Err(error) => return Outcome::Failed { error, again: true },
                },
            };
            let body = self.body.take().unwrap_or_default();
            let upload = Upload::start(&mut conn, rule.pool > 0, self.params, body, self.length);
            let stderr = ErrorLines::new(self.log.clone(), req.path());
            let mut exchange = Exchange::new(conn, upload, stderr, self.terms(upstream));
            match receive(&mut exchange, &req.head.method).await {
                Ok(answer) => return Outcome::Answered(answer, Box::new(exchange)),
                // The responder closed the idle connection while the request was being sent.
                Err(FastCgiError::Broken(_)) if reused && safe && exchange.silent => {}
                Err(error) => {
                    // An overloaded responder has not started to process the request.
                    let again = matches!(error, FastCgiError::Overloaded) && self.length == 0;
                    return Outcome::Failed { error, again };
                }
            }
        }
    }

    fn terms(&self, upstream: &Upstream) -> Terms {
        Terms {
            upstream: upstream.name.clone(),
            pool: self.rule.pool,
            read: self.rule.read_timeout,
            send: self.rule.send_timeout,
        }
    }
}
