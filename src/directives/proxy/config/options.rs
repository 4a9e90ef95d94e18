//! `proxy FROM TO... { … }`: text to a [`Rule`].

use std::time::Duration;

use http::HeaderValue;
use http::uri::PathAndQuery;

use self::Repeat::{Accumulates, Forbidden, LastWins};
use super::address;
use super::effects;
use super::upstreams::Unusable;
use crate::arguments::{excepted, not_a_path, prefix};
use crate::caddyfile::{Args, ConfigError, Kind, Options, Repeat, Token, Usage, parse_duration};
use crate::directives::proxy::balance::policy::Policy;
use crate::directives::proxy::balance::queue::Queue;
use crate::directives::proxy::exchange::trust::{ClientFiles, Trust};
use crate::directives::proxy::host::health::Check;
use crate::directives::proxy::rewrite::header_rules::HeaderRule;
use crate::directives::proxy::rule::Rule;
use crate::http::paths::Prefix;
use crate::limits::{UPSTREAM_QUEUE, UPSTREAM_WEIGHT};
use crate::net::proxy_protocol::writer::ProxyProtocol;
use crate::warning::Warning;

/// The options, as they are written.
const OPTIONS: &[Usage] = &[
    ("upstream TO [weight N]", Accumulates),
    ("policy NAME, such as: policy round_robin", LastWins),
    ("max_fails N, a number from 1 on", LastWins),
    ("fail_timeout DURATION, such as 10s", LastWins),
    ("slow_start DURATION, such as 30s", Forbidden),
    ("max_conns N, a number of 0 or more", LastWins),
    ("queue N [DURATION], such as: queue 100 10s", Forbidden),
    ("try_duration DURATION, such as 5s", LastWins),
    ("try_interval DURATION, such as 250ms", LastWins),
    ("timeout DURATION, such as 3s", LastWins),
    ("first_byte_timeout DURATION, such as 60s", Forbidden),
    ("idle_timeout DURATION, such as 60s", Forbidden),
    ("health_check PATH", LastWins),
    ("health_check_interval DURATION, such as 30s", LastWins),
    ("health_check_timeout DURATION, such as 10s", LastWins),
    ("health_check_port N, a number from 1 to 65535", LastWins),
    ("health_check_host NAME", Forbidden),
    ("health_check_status CODE..., such as 200, 2xx or 200-299", Forbidden),
    ("health_check_contains TEXT", LastWins),
    ("keepalive N, a number of 0 or more", LastWins),
    ("without PREFIX", LastWins),
    ("except PATH...", LastWins),
    ("header_upstream [+|-]NAME [VALUE], or: header_upstream NAME REGEX TO", Accumulates),
    ("header_downstream [+|-]NAME [VALUE], or: header_downstream NAME REGEX TO", Accumulates),
    ("rewrite_location", Accumulates),
    ("transparent", Accumulates),
    ("websocket", Accumulates),
    ("insecure_skip_verify", Accumulates),
    ("ca_certificates FILE...", LastWins),
    ("tls_client CERT KEY", LastWins),
    ("proxy_protocol v1, or: proxy_protocol v2", Forbidden),
    ("fallback_delay DURATION", LastWins),
];

const ADDRESSES: &str =
    "write HOST:PORT, http://HOST, https://HOST, h2c://HOST, h2://HOST, srv://NAME or unix:/PATH";

/// An upstream and where it is written.
struct To<'a> {
    text: &'a str,
    at: Option<&'a Token>,
    weight: u32,
    weight_at: Option<&'a Token>,
}

impl Rule {
    /// Reads the directive whose name `args` stands on, and adds to the warnings.
    pub(crate) fn parse(
        args: &mut Args<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, ConfigError> {
        args.written_as("proxy FROM TO...");
        let from = from(args, warnings)?;
        let from_at = args.token();
        let mut rule = Self::new(from);
        let mut to = Vec::new();
        while args.next_arg() {
            to.push(To { text: args.val(), at: args.token(), weight: 1, weight_at: None });
        }
        let mut options = Options::new(OPTIONS);
        while args.next_block()? {
            let word = args.val();
            options.entry(args, |args| match word {
                "without" | "except" => rule.paths(word, args, warnings),
                word => rule.option(word, args, &mut to),
            })?;
        }
        if to.is_empty() {
            let message = "no server to pass requests to";
            let at = from_at.map(|from| ConfigError::at(from, Kind::Parse, message));
            return Err(at.unwrap_or_else(|| args.arg_error()).hint("write: proxy FROM TO..."));
        }
        if let Some(at) = to.iter().find_map(|to| to.weight_at)
            && !rule.policy.weighs()
        {
            let message = format!("weight has no effect with policy {}", rule.policy.name());
            return Err(ConfigError::at(at, Kind::Parse, message).hint("leave one of them out"));
        }
        let texts: Vec<_> = to.iter().map(|to| (to.text.to_owned(), to.weight)).collect();
        rule.resolve_upstreams(&texts).map_err(|unusable| {
            let (at, message, hint) = match unusable {
                Unusable::Upstream(nth, message) if address::is_service(to[nth].text) => {
                    (to[nth].at, message, "write: proxy FROM srv://NAME")
                }
                Unusable::Upstream(nth, message) => (to[nth].at, message, ADDRESSES),
                Unusable::Tls(message) => {
                    let files = ["ca_certificates", "tls_client"];
                    let at = files.iter().find_map(|option| options.written(option));
                    (at, message, "name readable PEM files")
                }
            };
            match at {
                Some(token) => ConfigError::at(token, Kind::Parse, message).hint(hint),
                None => args.error(message).hint(hint),
            }
        })?;
        effects::check(&rule, &mut options)?;
        warnings.append(&mut options.warnings);
        Ok(rule)
    }

    fn option<'a>(
        &mut self,
        word: &str,
        args: &mut Args<'a>,
        to: &mut Vec<To<'a>>,
    ) -> Result<(), ConfigError> {
        match word {
            "upstream" => to.push(upstream(args)?),
            "policy" => self.policy = policy(args)?,
            "header_upstream" => self.exchange.upstream_headers.push(header(args)?),
            "header_downstream" => self.downstream_headers.push(header(args)?),
            "transparent" => self.exchange.upstream_headers.extend(HeaderRule::transparent()),
            // What it asks for is passed on anyway.
            "websocket" => {}
            // Addresses of a name share the time for connecting.
            "fallback_delay" => drop(duration(args)?),
            word => self.setting(word, args)?,
        }
        Ok(())
    }

    fn paths(
        &mut self,
        word: &str,
        args: &mut Args<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), ConfigError> {
        if word == "without" {
            let path = args.required()?;
            self.exchange.without = prefix(args, path, warnings)?;
            return Ok(());
        }
        let words = args.remaining();
        if words.is_empty() {
            return Err(args.arg_error());
        }
        self.except = excepted(args, &self.from, warnings, &words)?;
        Ok(())
    }

    fn setting(&mut self, word: &str, args: &mut Args<'_>) -> Result<(), ConfigError> {
        match word {
            "fail_timeout" => self.tolerance.timeout = duration(args)?,
            "try_duration" => self.try_duration = Some(duration(args)?),
            "try_interval" => self.try_interval = duration(args)?,
            "slow_start" => self.slow_start = duration(args)?,
            "timeout" => self.exchange.connect_timeout = some_time(args)?,
            "first_byte_timeout" => self.exchange.first_byte = some_time(args)?,
            "idle_timeout" => self.exchange.idle = some_time(args)?,
            "max_conns" => self.max_conns = number(args)?,
            "queue" => self.queue = Some(queue(args)?),
            "keepalive" => self.exchange.keepalive = number(args)?,
            "max_fails" => {
                self.tolerance.fails = number(args)?;
                if self.tolerance.fails == 0 {
                    return Err(args.error("max_fails must be at least 1"));
                }
            }
            "insecure_skip_verify" => self.trust_in(Trust::Anything, args)?,
            "ca_certificates" => {
                let files: Vec<String> = args.remaining().iter().map(|f| f.to_string()).collect();
                if files.is_empty() {
                    return Err(args.arg_error());
                }
                self.trust_in(Trust::Files(files), args)?;
            }
            "rewrite_location" => self.rewrite_location = true,
            "tls_client" => match args.remaining()[..] {
                [cert, key] => {
                    self.tls_client = Some(ClientFiles { cert: cert.into(), key: key.into() });
                }
                _ => return Err(args.arg_error()),
            },
            "proxy_protocol" => {
                let version = args.required()?;
                let parsed = ProxyProtocol::parse(version);
                let unknown = || args.error(format!("'{version}' is not v1 or v2"));
                self.exchange.proxy_protocol = Some(parsed.ok_or_else(unknown)?);
            }
            word => self.health(word, args)?,
        }
        Ok(())
    }

    fn health(&mut self, word: &str, args: &mut Args<'_>) -> Result<(), ConfigError> {
        let check = &mut self.check;
        match word {
            "health_check" => check.path = Some(health_path(args)?),
            "health_check_interval" => check.interval = some_time(args)?,
            "health_check_timeout" => check.timeout = some_time(args)?,
            "health_check_port" => {
                let port = args.required()?;
                let number = port.parse().ok().filter(|port| *port > 0);
                let number = number.ok_or_else(|| args.error(format!("invalid port '{port}'")))?;
                check.port = Some(number);
            }
            "health_check_contains" => {
                let text = args.required()?;
                if text.is_empty() {
                    return Err(args.error("health_check_contains needs some text"));
                }
                check.contains = Some(text.to_owned());
            }
            "health_check_host" => {
                let host = args.required()?;
                let field = HeaderValue::from_str(host).ok().filter(|field| !field.is_empty());
                let field =
                    field.ok_or_else(|| args.error(format!("'{host}' cannot be sent as Host")))?;
                check.host = Some(field);
            }
            "health_check_status" => {
                let texts = args.remaining();
                if texts.is_empty() {
                    return Err(args.arg_error());
                }
                let statuses: Result<_, _> = texts.into_iter().map(Check::status).collect();
                check.statuses = statuses.map_err(|message| args.error(message))?;
            }
            _ => return Err(args.error(format!("unknown property '{word}'"))),
        }
        Ok(())
    }

    fn trust_in(&mut self, trust: Trust, args: &Args<'_>) -> Result<(), ConfigError> {
        if self.trust != Trust::System && self.trust != trust {
            let message = "insecure_skip_verify and ca_certificates exclude one another";
            return Err(args.error(message).hint("leave one of them out"));
        }
        self.trust = trust;
        Ok(())
    }
}

/// FROM is where servers are written first by whoever forgets it, so that its slash is needed.
fn from(args: &mut Args<'_>, warnings: &mut Vec<Warning>) -> Result<Prefix, ConfigError> {
    let word = args.required()?;
    if word.starts_with('/') || word.is_empty() || word.contains('*') {
        return prefix(args, word, warnings);
    }
    Err(not_a_path(args, word))
}

/// `TO [weight N]`
fn upstream<'a>(args: &mut Args<'a>) -> Result<To<'a>, ConfigError> {
    let text = args.required()?;
    let mut to = To { text, at: args.token(), weight: 1, weight_at: None };
    if !args.next_arg() {
        return Ok(to);
    }
    if args.val() != "weight" {
        return Err(args.arg_error());
    }
    to.weight_at = args.token();
    if address::is_service(text) {
        let message = "the servers of a service have the weights of their SRV records";
        return Err(args.error(message).hint("leave weight out, and set it in DNS"));
    }
    let weight = args.required()?;
    to.weight =
        weight.parse().ok().filter(|n| (1..=UPSTREAM_WEIGHT).contains(n)).ok_or_else(|| {
            args.error(format!("weight '{weight}' is not a number from 1 to {UPSTREAM_WEIGHT}"))
        })?;
    Ok(to)
}

/// `N [TIMEOUT]`
fn queue(args: &mut Args<'_>) -> Result<Queue, ConfigError> {
    let limit = number(args)?;
    let timeout = if args.next_arg() { time(args, args.val())? } else { UPSTREAM_QUEUE };
    Ok(Queue::new(limit, timeout))
}

/// A path, with its query; it goes behind the upstream's base path.
fn health_path(args: &mut Args<'_>) -> Result<String, ConfigError> {
    let text = args.required()?;
    let slash = if text.starts_with('/') { "" } else { "/" };
    let path = format!("{slash}{text}");
    match PathAndQuery::try_from(path.as_str()) {
        Ok(_) => Ok(path),
        Err(error) => Err(args.error(format!("health_check '{text}': {error}"))),
    }
}

fn policy(args: &mut Args<'_>) -> Result<Policy, ConfigError> {
    let name = args.required()?;
    let rest = args.remaining();
    let policy = Policy::parse(name, &rest).map_err(|message| args.error(message))?;
    policy.ok_or_else(|| args.arg_error())
}

fn header(args: &mut Args<'_>) -> Result<HeaderRule, ConfigError> {
    let words = args.remaining();
    let rule = HeaderRule::parse(&words).map_err(|message| args.error(message))?;
    rule.ok_or_else(|| args.arg_error())
}

fn duration(args: &mut Args<'_>) -> Result<Duration, ConfigError> {
    let text = args.required()?;
    time(args, text)
}

/// A duration that is a limit or an interval, and so not 0.
fn some_time(args: &mut Args<'_>) -> Result<Duration, ConfigError> {
    let word = args.val();
    match duration(args)? {
        Duration::ZERO => Err(args.error(format!("{word} must be more than 0"))),
        limit => Ok(limit),
    }
}

fn time(args: &Args<'_>, text: &str) -> Result<Duration, ConfigError> {
    parse_duration(text).map_err(|message| args.error(message))
}

fn number(args: &mut Args<'_>) -> Result<usize, ConfigError> {
    let text = args.required()?;
    text.parse().map_err(|_| args.error(format!("'{text}' is not a number of 0 or more")))
}
