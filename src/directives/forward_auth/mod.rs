//! `forward_auth`: another server decides which requests pass.

mod auth_request;
mod options;
#[cfg(test)]
mod tests;

use http::header::{HeaderName, SET_COOKIE};
use http::{HeaderValue, Method, Response};

use crate::arguments;
use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::{Prefix, Readings};
use crate::http::request::Authenticated;
use crate::http::{Body, Fault, Reply, Request, vouched};
use crate::site::{SiteBuilder, Task};
use crate::upstream::exchange::one_server::OneServer;
use crate::upstream::keep_resolved;

pub(super) use options::OPTIONS;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules: Vec<Rule> = Vec::new();
    while args.next() {
        let [path, to] = args.remaining()[..] else { return Err(args.arg_error()) };
        let from = arguments::prefix(args, path)?;
        let rule = options::read(args, from, to)?;
        let twin = |other: &Rule| other.from.folded() == rule.from.folded();
        if rules.iter().any(twin) {
            let message = format!("forward_auth: another line asks about {}", rule.from);
            return Err(args.error_at(path, message).hint("one server decides: keep one of them"));
        }
        if rule.except.is_empty() {
            site.authenticated.push(rule.from.clone());
        }
        if let Some(name) = rule.server.named() {
            site.tasks.push(Task::new(move || keep_resolved(vec![name])));
        }
        rules.push(rule);
    }
    // The longest path first, so that the first match is the best.
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.from.as_str().len()));
    site.push(ForwardAuth { rules });
    Ok(())
}

/// A field of the response that requests get, and its name there.
#[derive(Debug)]
struct Copied {
    from: HeaderName,
    to: HeaderName,
}

/// One line.
struct Rule {
    from: Prefix,
    except: Vec<Prefix>,
    server: OneServer,
    copied: Vec<Copied>,
}

struct ForwardAuth {
    rules: Vec<Rule>,
}

/// The fields by which servers of this kind name the user, if they are copied: `{user}`.
const USER: [&str; 3] = ["remote-user", "x-auth-request-user", "x-forwarded-user"];

impl ForwardAuth {
    /// Whether servers behind this one may take a field for one that is copied.
    fn is_copied(&self, name: &str) -> bool {
        let mut copied = self.rules.iter().flat_map(|rule| &rule.copied);
        copied.any(|copied| vouched::reads_as(name, copied.to.as_str()))
    }
}

impl Rule {
    fn protects(&self, readings: &Readings<'_>) -> bool {
        readings.touch(&self.from) && !self.except.iter().any(|except| readings.lie_in(except))
    }

    async fn decide(&self, req: &mut Request, next: Next<'_>) -> Reply {
        let question = auth_request::auth_request(req, &self.server)?;
        let mut answer = self.server.ask(&question).await?;
        drop(question);
        if !answer.status().is_success() {
            if req.head.method == Method::HEAD {
                *answer.body_mut() = Body::empty();
            }
            return Ok(answer);
        }
        req.head.extensions.insert(Authenticated);
        let cookies = self.copy(&answer, req);
        drop(answer);
        let mut reply = next.run(req).await;
        let headers = match &mut reply {
            Ok(response) => response.headers_mut(),
            Err(Fault { headers, .. }) => headers,
        };
        headers.extend(cookies.into_iter().map(|cookie| (SET_COOKIE, cookie)));
        reply
    }

    /// Copies fields to the request; returns the cookies, which are the client's.
    fn copy(&self, answer: &Response<Body>, req: &mut Request) -> Vec<HeaderValue> {
        for Copied { from, to } in &self.copied {
            for value in answer.headers().get_all(from) {
                req.head.headers.append(to, value.clone());
            }
            if USER.contains(&from.as_str())
                && let Some(user) = answer.headers().get(from)
            {
                req.user = Some(String::from_utf8_lossy(user.as_bytes()).into_owned());
            }
        }
        answer.headers().get_all(SET_COOKIE).iter().cloned().collect()
    }
}

impl Handler for ForwardAuth {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        // Also where nothing is asked: the server behind may trust the field everywhere.
        vouched::remove(&mut req.head.headers, |name| self.is_copied(name));
        let readings = req.readings();
        let rule = self.rules.iter().find(|rule| rule.protects(&readings));
        drop(readings);
        match rule {
            Some(rule) => Box::pin(rule.decide(req, next)),
            None => next.run(req),
        }
    }
}
