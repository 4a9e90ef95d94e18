//! `status CODE PATH…`: answers with a status and nothing else.

use std::future::ready;

use http::{Response, StatusCode};

use crate::arguments;
use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::Prefix;
use crate::http::{Body, Fault, Request};
use crate::site::SiteBuilder;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules: Vec<(Prefix, StatusCode)> = Vec::new();
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
        for word in paths {
            let path = arguments::prefix(args, word, &mut site.warnings)?;
            if rules.iter().any(|(other, _)| *other == path) {
                let message = format!("Duplicate path: '{path}'");
                return Err(args.error_at(word, message).hint("give each path one status"));
            }
            rules.push((path, code));
        }
    }
    rules.sort_by_key(|(path, _)| std::cmp::Reverse(path.as_str().len()));
    site.answers_all |= rules.iter().any(|(path, _)| path.is_root());
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
    rules: Vec<(Prefix, StatusCode)>,
}

impl Handler for Status {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let readings = req.readings();
        let rule = self.rules.iter().find(|(path, _)| readings.touch(path));
        let Some(status) = rule.map(|(_, status)| *status) else {
            drop(readings);
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
