//! `websocket`: runs a command for each WebSocket connection. Without `type`, each message is a
//! line of its standard input, and each line of its standard output a message.

mod output;
mod program;
mod session;

#[cfg(test)]
mod tests;

use http::header::{CONNECTION, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderValue, Response, StatusCode};

use self::output::{Framing, Type};
use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::Prefix;
use crate::http::sink::ErrorLog;
use crate::http::upgrade::{WEBSOCKET_ACCEPT, WEBSOCKET_KEY, is_websocket, websocket_accept};
use crate::http::{Fault, Reply, Request};
use crate::limits::WEBSOCKET_MESSAGE;
use crate::site::SiteBuilder;

pub(super) static OPTIONS: Options<Framing> = Options::new(&[
    option("type lines|text|binary", LastWins, |framing, args| {
        let types = [("lines", Type::Lines), ("text", Type::Text), ("binary", Type::Binary)];
        args.one_of("type", &types).map(|kind| framing.kind = kind)
    }),
    option("bufsize BYTES, such as: bufsize 4096", LastWins, |framing, args| {
        args.number(0..=WEBSOCKET_MESSAGE).map(|size| framing.size = size)
    }),
    // `respawn` had no effect in Caddy v1 either.
    option("respawn", Accumulates, |_, _| Ok(())),
]);

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules: Vec<Rule> = Vec::new();
    while args.next() {
        let rule = rule(args)?;
        if rules.iter().any(|earlier| earlier.path == rule.path) {
            let message = format!("Duplicate path: '{}'", rule.path);
            return Err(args.error(message).hint("give each path one command"));
        }
        rules.push(rule);
    }
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.path.as_str().len()));
    let log = site.error_log();
    site.push(WebSocket { rules, log });
    Ok(())
}

fn rule(args: &mut Args<'_>) -> Result<Rule, ConfigError> {
    let words = args.remaining();
    let (path, words) = match words.split_first() {
        None => return Err(args.arg_error()),
        // A single word is a command, as in Caddy v1.
        Some((first, rest)) if !rest.is_empty() && first.starts_with('/') => (*first, rest),
        _ => ("/", &words[..]),
    };
    let path = arguments::prefix(args, path)?;
    if let Some(word) = words.first().filter(|word| arguments::is_address(word)) {
        let message = format!("websocket: '{word}' is run as a program");
        let hint = format!("to pass WebSockets on to a server write: proxy {path} {word}");
        args.warn(args.error_at(word, message).hint(hint));
    }
    let command = arguments::command(args, words)?;
    let mut framing = Framing::default();
    let options = OPTIONS.read(&mut framing, args)?;
    let why = "as a command serves one connection";
    options.warn_no_effect(args, "respawn", why, "leave it out")?;
    Ok(Rule { path, command, framing })
}

/// One `websocket` directive.
#[derive(Debug)]
struct Rule {
    path: Prefix,
    /// The program and its arguments.
    command: Vec<String>,
    framing: Framing,
}

/// All `websocket` directives of a site, the longest path first.
struct WebSocket {
    rules: Vec<Rule>,
    log: ErrorLog,
}

impl Handler for WebSocket {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route();
        let rule = self.rules.iter().find(|rule| rule.path.holds(&route));
        let wanted = req.upgrade.as_ref().is_some_and(|upgrade| is_websocket(&upgrade.protocol));
        match rule {
            Some(rule) if wanted => {
                drop(route);
                Box::pin(std::future::ready(self.open(rule, req)))
            }
            _ => {
                drop(route);
                next.run(req)
            }
        }
    }
}

impl WebSocket {
    /// Starts the command and answers the handshake (RFC 6455 section 4.2.2).
    fn open(&self, rule: &Rule, req: &mut Request) -> Reply {
        let fields = &req.head.headers;
        if fields.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            let mut fault = Fault::status(StatusCode::UPGRADE_REQUIRED);
            fault.headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            return Err(fault);
        }
        let key = fields.get(WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes()));
        let Some(accept) = key.map(|key| websocket_accept(key.as_bytes())) else {
            return Err(Fault::status(StatusCode::BAD_REQUEST));
        };
        let Some(upgrade) = req.upgrade.take() else {
            return Err(Fault::status(StatusCode::BAD_REQUEST));
        };
        let program = program::start(&rule.command, req, &self.log).map_err(|error| {
            let cause = format!("cannot run {}: {error}", rule.command[0]);
            Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, cause)
        })?;
        let mut response = Response::new(session::begin(upgrade.incoming, program, rule.framing));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let fields = response.headers_mut();
        fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
        fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        fields.insert(WEBSOCKET_ACCEPT, accept);
        Ok(response)
    }
}

/// 16 bytes in base64.
fn is_key(text: &[u8]) -> bool {
    use base64::{Engine, prelude::BASE64_STANDARD};
    BASE64_STANDARD.decode(text).is_ok_and(|key| key.len() == 16)
}
