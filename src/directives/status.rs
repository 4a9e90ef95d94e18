//! `status CODE PATH…`: responds with a status, and a text if there is one.

use std::future::ready;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};

use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, Forbidden};
use crate::caddyfile::{Args, ConfigError, Options, option, parse_number, templated};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::Prefix;
use crate::http::placeholders::Template;
use crate::http::{Body, Fault, Request};
use crate::site::SiteBuilder;

pub(super) static OPTIONS: Options<Block> = Options::<Block>::new(&[
    templated("text TEXT, such as: text \"Down for maintenance\"", Forbidden, |block, args| {
        let text = args.required()?;
        let code = block.answer.code;
        if matches!(code.as_u16(), 204 | 205 | 304) {
            let message = format!("a response with {} has no content", code.as_u16());
            return Err(args.error(message).hint("write another CODE, or leave out `text`"));
        }
        block.answer.text = Some(Template::parse(text));
        Ok(())
    }),
    option("type TYPE, such as: type text/html", Forbidden, |block, args| {
        let word = args.required()?;
        let value = HeaderValue::from_str(word).ok().filter(|_| word.contains('/'));
        block.answer.content_type = value.ok_or_else(|| {
            args.error(format!("'{word}' is not a media type")).hint("write one such as text/html")
        })?;
        Ok(())
    }),
])
.others(option("PATH", Accumulates, |block, args| {
    let path = args.val();
    args.no_more()?;
    block.add(path, args)
}));

pub(super) struct Block {
    answer: Answer,
    paths: Vec<Prefix>,
    /// Those of earlier directives.
    rules: Vec<(Prefix, Arc<Answer>)>,
}

impl Block {
    fn add(&mut self, word: &str, args: &mut Args<'_>) -> Result<(), ConfigError> {
        let path = arguments::prefix(args, word)?;
        if self.rules.iter().map(|(other, _)| other).chain(&self.paths).any(|other| *other == path)
        {
            let message = format!("Duplicate path: '{path}'");
            return Err(args.error_at(word, message).hint("give each path one status"));
        }
        self.paths.push(path);
        Ok(())
    }
}

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules = Vec::new();
    while args.next() {
        let code = args.required()?;
        let mut block =
            Block { answer: Answer::new(code_of(code, args)?), paths: Vec::new(), rules };
        if args.next_arg() {
            block.add(args.val(), args)?;
        }
        args.no_more()?;
        let written = OPTIONS.read(&mut block, args)?;
        if block.paths.is_empty() {
            return Err(args.arg_error());
        }
        if block.answer.text.is_none() {
            written.warn_no_effect(args, "type", "without text", "write `text` with it")?;
        }
        let answer = Arc::new(block.answer);
        rules = block.rules;
        rules.extend(block.paths.into_iter().map(|path| (path, Arc::clone(&answer))));
    }
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
    rules: Vec<(Prefix, Arc<Answer>)>,
}

struct Answer {
    code: StatusCode,
    text: Option<Template>,
    /// Of the text.
    content_type: HeaderValue,
}

impl Answer {
    fn new(code: StatusCode) -> Self {
        let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
        Self { code, text: None, content_type }
    }

    fn reply(&self, req: &Request) -> Result<Response<Body>, Fault> {
        let mut response = Response::new(Body::empty());
        if self.code.as_u16() >= 400 {
            let fault = Fault::status(self.code);
            if self.text.is_none() {
                return Err(fault);
            }
            *response.headers_mut() = fault.headers;
        }
        *response.status_mut() = self.code;
        if let Some(text) = &self.text {
            let content = text.expand(req, None, "");
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, self.content_type.clone());
            headers.insert(CONTENT_LENGTH, content.len().into());
            if req.head.method != Method::HEAD {
                *response.body_mut() = content.into();
            }
        }
        Ok(response)
    }
}

impl Handler for Status {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let readings = req.readings();
        let rule = self.rules.iter().find(|(path, _)| readings.touch(path));
        drop(readings);
        match rule {
            Some((_, answer)) => Box::pin(ready(answer.reply(req))),
            None => next.run(req),
        }
    }
}
