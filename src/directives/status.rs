//! `status CODE PATH…`: answers with a status and nothing else.

use std::future::ready;

use http::{Response, StatusCode};

use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::{Body, Fault, Request, paths};
use crate::site::SiteBuilder;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules: Vec<(String, StatusCode)> = Vec::new();
    while args.next() {
        let (code, paths) = match args.remaining().as_slice() {
            [code] => (code_of(code, args)?, Vec::new()),
            [code, path] => (code_of(code, args)?, vec![*path]),
            _ => return Err(args.arg_error()),
        };
        let mut paths = paths;
        while args.next_block()? {
            paths.push(args.val());
            if args.next_arg() {
                return Err(args.arg_error());
            }
        }
        if paths.is_empty() {
            return Err(args.arg_error());
        }
        for path in paths {
            if rules.iter().any(|(other, _)| other == path) {
                let message = format!("Duplicate path: '{path}'");
                return Err(args.error(message).hint("give each path one status"));
            }
            rules.push((path.to_owned(), code));
        }
    }
    rules.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    site.answers_all |= rules.iter().any(|(path, _)| path == "/");
    site.push(Status { rules });
    Ok(())
}

fn code_of(text: &str, args: &Args<'_>) -> Result<StatusCode, ConfigError> {
    text.parse::<u16>()
        .ok()
        .filter(|code| (200..600).contains(code))
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or_else(|| {
            args.error(format!("Expecting a numeric status code, got '{text}'"))
                .hint("write a code from 200 to 599, then a path")
        })
}

/// The longest path first.
struct Status {
    rules: Vec<(String, StatusCode)>,
}

impl Handler for Status {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route();
        let Some(status) = self.rules.iter().find(|(p, _)| paths::under(&route, p)).map(|r| r.1)
        else {
            drop(route);
            return next.run(req);
        };
        if status.as_u16() >= 400 {
            return Box::pin(ready(Err(Fault::status(status))));
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        Box::pin(ready(Ok(response)))
    }
}
