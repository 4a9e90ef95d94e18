//! `proxy FROM TO... { … }`: text to a [`Rule`].

use std::time::Duration;

use http::HeaderValue;
use http::uri::PathAndQuery;

use super::health::Check;
use super::policy::Policy;
use super::proxy_protocol::ProxyProtocol;
use super::queue::Queue;
use super::rule::Rule;
use super::rules::HeaderRule;
use super::set::WEIGHT_MAX;
use super::tls::{ClientFiles, Trust};
use crate::caddyfile::{Args, ConfigError, parse_duration};
use crate::http::limits::UPSTREAM_QUEUE;
use crate::http::paths;

impl Rule {
    /// Reads the directive whose name `args` stands on.
    pub(super) fn parse(args: &mut Args<'_>) -> Result<Self, ConfigError> {
        let line = args.remaining();
        let Some((from, to)) = line.split_first() else { return Err(args.arg_error()) };
        let mut rule = Self::new(from);
        let mut to: Vec<_> = to.iter().map(|&text| (text.to_owned(), 1)).collect();
        while args.next_block()? {
            match args.val() {
                "upstream" => to.push(upstream(args)?),
                "policy" => rule.policy = policy(args)?,
                "header_upstream" => rule.upstream_headers.push(header(args)?),
                "header_downstream" => rule.downstream_headers.push(header(args)?),
                "transparent" => rule.upstream_headers.extend(HeaderRule::transparent()),
                // What it asks for is passed on anyway.
                "websocket" => {}
                word => rule.setting(word, args)?,
            }
        }
        if to.is_empty() {
            return Err(args.arg_error());
        }
        rule.resolve_upstreams(&to).map_err(|message| args.error(message))?;
        if rule.queue.is_some() && rule.max_conns == 0 {
            return Err(args.error("queue needs max_conns, or nothing ever waits"));
        }
        Ok(rule)
    }

    fn setting(&mut self, word: &str, args: &mut Args<'_>) -> Result<(), ConfigError> {
        match word {
            "fail_timeout" => self.tolerance.timeout = duration(args)?,
            "try_duration" => self.try_duration = Some(duration(args)?),
            "try_interval" => self.try_interval = duration(args)?,
            "slow_start" => self.slow_start = duration(args)?,
            "timeout" => self.connect_timeout = some_time(args)?,
            "first_byte_timeout" => self.first_byte = some_time(args)?,
            "idle_timeout" => self.idle = some_time(args)?,
            "max_conns" => self.max_conns = number(args)?,
            "queue" => self.queue = Some(queue(args)?),
            "keepalive" => self.keepalive = number(args)?,
            "max_fails" => {
                self.tolerance.fails = number(args)?;
                if self.tolerance.fails == 0 {
                    return Err(args.error("max_fails must be at least 1"));
                }
            }
            "without" => self.without = args.required()?.to_owned(),
            "except" => {
                let words = args.remaining();
                if words.is_empty() {
                    return Err(args.arg_error());
                }
                self.except = words.iter().map(|path| paths::join(&self.from, path)).collect();
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
                self.proxy_protocol = Some(parsed.ok_or_else(unknown)?);
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
            other => return Err(args.error(format!("unknown property '{other}'"))),
        }
        Ok(())
    }

    fn trust_in(&mut self, trust: Trust, args: &Args<'_>) -> Result<(), ConfigError> {
        if self.trust != Trust::System && self.trust != trust {
            return Err(args.error("insecure_skip_verify and ca_certificates exclude one another"));
        }
        self.trust = trust;
        Ok(())
    }
}

/// `TO [weight N]`
fn upstream(args: &mut Args<'_>) -> Result<(String, u32), ConfigError> {
    let to = args.required()?.to_owned();
    match args.remaining()[..] {
        [] => Ok((to, 1)),
        ["weight", weight] => match weight.parse() {
            Ok(number @ 1..=WEIGHT_MAX) => Ok((to, number)),
            _ => {
                Err(args.error(format!("weight '{weight}' is not a number from 1 to {WEIGHT_MAX}")))
            }
        },
        _ => Err(args.arg_error()),
    }
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
