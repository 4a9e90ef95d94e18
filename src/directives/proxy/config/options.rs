//! Reads a `proxy` line and its block into a [`Rule`].

use std::ops::RangeInclusive;

use http::HeaderValue;
use http::uri::PathAndQuery;

use super::effects;
use super::upstreams::Unusable;
use crate::arguments::{excepted, not_a_path, prefix};
use crate::caddyfile::Repeat::{Accumulates, Forbidden, LastWins};
use crate::caddyfile::{
    Args, ConfigError, Kind, Options, Syntax as _, Token, Written, option, parse_duration,
    parse_number, templated,
};
use crate::directives::proxy::balance::policy::Policy;
use crate::directives::proxy::balance::queue::Queue;
use crate::directives::proxy::rule::Rule;
use crate::http::paths::Prefix;
use crate::limits::{UPSTREAM_QUEUE, UPSTREAM_WEIGHT};
use crate::net::proxy_protocol::writer::ProxyProtocol;
use crate::upstream::exchange::trust::{ClientFiles, Trust};
use crate::upstream::host::address;
use crate::upstream::host::health::Check;
use crate::upstream::rewrite::header_rules::HeaderRule;

/// A `proxy` line as far as it has been read.
pub(crate) struct Line {
    rule: Rule,
    to: Vec<To>,
}

pub(crate) static OPTIONS: Options<Line> = Options::new(&[
    option("upstream TO [weight N]", Accumulates, |line, args| {
        upstream(args).map(|to| line.to.push(to))
    }),
    option("policy NAME, such as: policy round_robin", LastWins, |line, args| {
        policy(args).map(|policy| line.rule.policy = policy)
    }),
    option("max_fails N, such as: max_fails 3", LastWins, |line, args| {
        args.number(1..).map(|fails| line.rule.tolerance.fails = fails)
    }),
    option("fail_timeout DURATION, such as: fail_timeout 10s", LastWins, |line, args| {
        args.duration().map(|time| line.rule.tolerance.timeout = time)
    }),
    option("slow_start DURATION, such as: slow_start 30s", Forbidden, |line, args| {
        args.duration().map(|time| line.rule.slow_start = time)
    }),
    option("max_conns N, such as: max_conns 100", LastWins, |line, args| {
        args.number(0..).map(|requests| line.rule.max_conns = requests)
    }),
    option("queue N [DURATION], such as: queue 100 10s", Forbidden, |line, args| {
        queue(args).map(|queue| line.rule.queue = Some(queue))
    }),
    option("try_duration DURATION, such as: try_duration 5s", LastWins, |line, args| {
        args.duration().map(|time| line.rule.try_duration = Some(time))
    }),
    option("try_interval DURATION, such as: try_interval 250ms", LastWins, |line, args| {
        args.duration().map(|time| line.rule.try_interval = time)
    }),
    option("timeout DURATION, such as: timeout 3s", LastWins, |line, args| {
        args.positive_duration().map(|limit| line.rule.exchange.connect_timeout = limit)
    }),
    option("first_byte_timeout DURATION, such as: first_byte_timeout 60s", Forbidden, {
        |line, args| args.positive_duration().map(|limit| line.rule.exchange.first_byte = limit)
    }),
    option("idle_timeout DURATION, such as: idle_timeout 60s", Forbidden, |line, args| {
        args.positive_duration().map(|limit| line.rule.exchange.idle = limit)
    }),
    option("health_check PATH, such as: health_check /health", LastWins, |line, args| {
        health_path(args).map(|path| line.rule.check.path = Some(path))
    }),
    option("health_check_interval DURATION, such as: health_check_interval 30s", LastWins, {
        |line, args| args.positive_duration().map(|time| line.rule.check.interval = time)
    }),
    option("health_check_timeout DURATION, such as: health_check_timeout 10s", LastWins, {
        |line, args| args.positive_duration().map(|limit| line.rule.check.timeout = limit)
    }),
    option("health_check_port N, such as: health_check_port 8081", LastWins, |line, args| {
        args.number(1..=u16::MAX).map(|port| line.rule.check.port = Some(port))
    }),
    option("health_check_host NAME", Forbidden, |line, args| {
        health_host(args).map(|host| line.rule.check.host = Some(host))
    }),
    option("health_check_status CODE..., such as: health_check_status 200 3xx", Forbidden, {
        |line, args| args.each(status).map(|statuses| line.rule.check.statuses = statuses)
    }),
    option("health_check_contains TEXT", LastWins, |line, args| {
        some_text(args).map(|text| line.rule.check.contains = Some(text))
    }),
    option("keepalive N, such as: keepalive 32", LastWins, |line, args| {
        args.number(0..).map(|connections| line.rule.exchange.keepalive = connections)
    }),
    option("without PREFIX, such as: without /api", LastWins, |line, args| {
        let path = args.required()?;
        prefix(args, path).map(|path| line.rule.exchange.without = path)
    }),
    option("except PATH..., such as: except /static", LastWins, |line, args| {
        excepted(args, &line.rule.from).map(|paths| line.rule.except = paths)
    }),
    templated(HEADER_UPSTREAM, Accumulates, |line, args| {
        header(args).map(|rule| line.rule.exchange.upstream_headers.push(rule))
    }),
    templated(HEADER_DOWNSTREAM, Accumulates, |line, args| {
        header(args).map(|rule| line.rule.exchange.downstream_headers.push(rule))
    }),
    option("rewrite_location", Accumulates, |line, _| {
        line.rule.rewrite_location = true;
        Ok(())
    }),
    option("transparent", Accumulates, |line, _| {
        line.rule.exchange.upstream_headers.extend(HeaderRule::transparent());
        Ok(())
    }),
    // What it asks for is passed on anyway.
    option("websocket", Accumulates, |_, _| Ok(())),
    option("insecure_skip_verify", Accumulates, |line, args| line.trust(Trust::Anything, args)),
    option("ca_certificates FILE...", LastWins, |line, args| {
        let files = args.each(|_, file| Ok(file.to_owned()))?;
        line.trust(Trust::Files(files), args)
    }),
    option("tls_client CERT KEY", LastWins, |line, args| {
        let (cert, key) = (args.required()?.into(), args.required()?.into());
        line.rule.tls_client = Some(ClientFiles { cert, key });
        Ok(())
    }),
    option("proxy_protocol v1|v2", Forbidden, |line, args| {
        let versions = [("v1", ProxyProtocol::V1), ("v2", ProxyProtocol::V2)];
        let version = args.one_of("version", &versions)?;
        line.rule.exchange.proxy_protocol = Some(version);
        Ok(())
    }),
    // The addresses of a name share the time for connecting.
    option("fallback_delay DURATION", LastWins, |_, args| args.duration().map(drop)),
]);

const HEADER_UPSTREAM: &str =
    "header_upstream [+|-]NAME [VALUE], or: header_upstream NAME REGEX TO";
const HEADER_DOWNSTREAM: &str =
    "header_downstream [+|-]NAME [VALUE], or: header_downstream NAME REGEX TO";

/// An upstream and where it is written.
struct To {
    text: String,
    at: Option<Token>,
    weight: u32,
    weight_at: Option<Token>,
}

impl To {
    /// The current word, with the default weight.
    fn new(args: &Args<'_>) -> Self {
        Self { text: args.val().to_owned(), at: args.token().cloned(), weight: 1, weight_at: None }
    }
}

impl Line {
    fn trust(&mut self, trust: Trust, args: &Args<'_>) -> Result<(), ConfigError> {
        if self.rule.trust != Trust::System && self.rule.trust != trust {
            let message = "insecure_skip_verify and ca_certificates exclude one another";
            return Err(args.error(message).hint("leave one of them out"));
        }
        self.rule.trust = trust;
        Ok(())
    }
}

impl Rule {
    /// Reads the directive whose name `args` stands on. `host` is that of its site, which uses TLS
    /// if it is `secure`.
    pub(crate) fn parse(
        args: &mut Args<'_>,
        host: &str,
        secure: bool,
    ) -> Result<Self, ConfigError> {
        let rule = Self { host: host.to_owned(), secure, ..Self::new(from(args)?) };
        let from_at = args.token();
        let mut line = Line { rule, to: Vec::new() };
        while args.next_arg() {
            if OPTIONS.has(args.val()) {
                let option = args.val();
                let message = format!("'{option}' is read as an upstream, and it is an option");
                let hint = format!("write {option} in the block of `proxy`");
                args.warn(args.error(message).hint(hint));
            }
            line.to.push(To::new(args));
        }
        let written = OPTIONS.read(&mut line, args)?;
        let Line { mut rule, to } = line;
        if to.is_empty() {
            let message = "no server to pass requests to";
            let at = from_at.map(|from| ConfigError::at(from, Kind::Parse, message));
            return Err(at.unwrap_or_else(|| args.arg_error()).hint("write: proxy FROM TO..."));
        }
        if let Some(at) = to.iter().find_map(|to| to.weight_at.as_ref())
            && !rule.policy.weighs()
        {
            let message = format!("weight has no effect with policy {}", rule.policy.name());
            return Err(ConfigError::at(at, Kind::Parse, message).hint("leave one of them out"));
        }
        let texts: Vec<_> = to.iter().map(|to| (to.text.clone(), to.weight)).collect();
        rule.resolve_upstreams(&texts)
            .map_err(|unusable| unusable_at(unusable, &to, &written, args))?;
        effects::check(&rule, &written, args)?;
        Ok(rule)
    }
}

/// The error about upstreams that cannot be used, where the cause is written.
fn unusable_at(
    unusable: Unusable,
    to: &[To],
    written: &Written<'_>,
    args: &Args<'_>,
) -> ConfigError {
    let (at, message, hint) = match unusable {
        Unusable::Upstream(nth, message) => {
            (to[nth].at.as_ref(), message, address::hint(&to[nth].text))
        }
        Unusable::Tls(message) => {
            let files = ["ca_certificates", "tls_client"];
            let at = files.iter().find_map(|option| written.token(option));
            (at, message, "name readable PEM files".to_owned())
        }
    };
    match at {
        Some(token) => ConfigError::at(token, Kind::Parse, message).hint(hint),
        None => args.error(message).hint(hint),
    }
}

/// FROM is where servers are written first by whoever forgets it, so that its slash is needed.
fn from(args: &mut Args<'_>) -> Result<Prefix, ConfigError> {
    let word = args.required()?;
    if word.starts_with('/') || word.is_empty() || word.contains('*') {
        return prefix(args, word);
    }
    Err(not_a_path(args, word))
}

/// `TO [weight N]`
fn upstream(args: &mut Args<'_>) -> Result<To, ConfigError> {
    let text = args.required()?;
    let mut to = To::new(args);
    if !args.next_arg() {
        return Ok(to);
    }
    if args.val() != "weight" {
        return Err(args.arg_error());
    }
    to.weight_at = args.token().cloned();
    if address::is_service(text) {
        let message = "the servers of a service have the weights of their SRV records";
        return Err(args.error(message).hint("leave weight out, and set it in DNS"));
    }
    let weight = args.required()?;
    to.weight = parse_number(weight, 1..=UPSTREAM_WEIGHT)
        .map_err(|message| args.error(format!("weight {message}")))?;
    Ok(to)
}

/// `N [TIMEOUT]`
fn queue(args: &mut Args<'_>) -> Result<Queue, ConfigError> {
    let limit = args.number(0..)?;
    let timeout =
        if args.next_arg() { args.parsed(args.val(), parse_duration)? } else { UPSTREAM_QUEUE };
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

fn health_host(args: &mut Args<'_>) -> Result<HeaderValue, ConfigError> {
    let host = args.required()?;
    let field = HeaderValue::from_str(host).ok().filter(|field| !field.is_empty());
    field.ok_or_else(|| args.error(format!("'{host}' cannot be sent as Host")))
}

fn status(args: &mut Args<'_>, word: &str) -> Result<RangeInclusive<u16>, ConfigError> {
    Check::status(word).map_err(|message| args.error_at(word, message))
}

fn some_text(args: &mut Args<'_>) -> Result<String, ConfigError> {
    match args.required()? {
        "" => Err(args.error(format!("{} must not be empty", args.name()))),
        text => Ok(text.to_owned()),
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
    let wrong = |message: String| match words.first() {
        Some(name) if message.ends_with("is not a header field name") => {
            args.error_at(name, message)
        }
        _ => args.error(message),
    };
    let rule = HeaderRule::parse(&words).map_err(wrong)?;
    rule.ok_or_else(|| args.arg_error())
}
