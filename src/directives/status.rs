//! `status CODE PATH…`: responds with a status and no content.

use std::future::ready;

use http::{Response, StatusCode};

use crate::arguments;
use crate::caddyfile::Repeat::Accumulates;
use crate::caddyfile::{Args, ConfigError, Options, option, parse_number};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::Prefix;
use crate::http::{Body, Fault, Request};
use crate::site::SiteBuilder;

pub(super) static OPTIONS: Options<Block> =
    Options::<Block>::new(&[]).others(option("PATH", Accumulates, |block, args| {
        let path = args.val();
        args.no_more()?;
        block.add(path, args)
    }));

pub(super) struct Block {
    code: StatusCode,
    /// Including those of earlier directives.
    rules: Vec<(Prefix, StatusCode)>,
}

impl Block {
    fn add(&mut self, word: &str, args: &mut Args<'_>) -> Result<(), ConfigError> {
        let path = arguments::prefix(args, word)?;
        if self.rules.iter().any(|(other, _)| *other == path) {
            let message = format!("Duplicate path: '{path}'");
            return Err(args.error_at(word, message).hint("give each path one status"));
        }
        self.rules.push((path, self.code));
        Ok(())
    }
}

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut block = Block { code: StatusCode::OK, rules: Vec::new() };
    while args.next() {
        let code = args.required()?;
        block.code = code_of(code, args)?;
        let has_path = args.next_arg();
        if has_path {
            block.add(args.val(), args)?;
        }
        args.no_more()?;
        if OPTIONS.read(&mut block, args)?.is_empty() && !has_path {
            return Err(args.arg_error());
        }
    }
    let mut rules = block.rules;
    rules.sort_by_key(|(path, _)| std::cmp::Reverse(path.as_str().len()));
    site.answers_all |= rules.iter().any(|(path, _)| path.is_root());
    site.push(Status { rules });
    Ok(())
}

fn code_of(text: &str, args: &Args<'_>) -> Result<StatusCode, ConfigError> {
    let code = parse_number::<u16>(text, 200..600).ok();
    code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(|| {
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
