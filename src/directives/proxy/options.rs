//! `proxy FROM TO... { … }`: text to a [`Rule`].

use std::time::Duration;

use super::policy::Policy;
use super::proxy_protocol::ProxyProtocol;
use super::rule::Rule;
use super::rules::HeaderRule;
use super::tls::{ClientFiles, Trust};
use crate::caddyfile::{Args, ConfigError, parse_duration};
use crate::http::paths;

impl Rule {
    /// Reads the directive whose name `args` stands on.
    pub(super) fn parse(args: &mut Args<'_>) -> Result<Self, ConfigError> {
        let line = args.remaining();
        let Some((from, to)) = line.split_first() else { return Err(args.arg_error()) };
        let mut rule = Self::new(from);
        let mut to: Vec<String> = to.iter().map(|&text| text.to_owned()).collect();
        while args.next_block()? {
            match args.val() {
                "upstream" => to.push(args.required()?.to_owned()),
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
        Ok(rule)
    }

    fn setting(&mut self, word: &str, args: &mut Args<'_>) -> Result<(), ConfigError> {
        match word {
            "fail_timeout" => self.fail_timeout = duration(args)?,
            "try_duration" => self.try_duration = duration(args)?,
            "try_interval" => self.try_interval = duration(args)?,
            "timeout" => self.connect_timeout = duration(args)?,
            "max_conns" => self.max_conns = number(args)?,
            "keepalive" => self.keepalive = number(args)?,
            "max_fails" => {
                self.max_fails = number(args)?;
                if self.max_fails == 0 {
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
        match word {
            "health_check" => {
                args.required()?;
                self.health_check = true;
            }
            "health_check_interval" | "health_check_timeout" => {
                duration(args)?;
            }
            "health_check_port" => {
                let port = args.required()?;
                port.parse::<u16>().map_err(|_| args.error(format!("invalid port '{port}'")))?;
            }
            "health_check_contains" => {
                args.required()?;
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

fn policy(args: &mut Args<'_>) -> Result<Policy, ConfigError> {
    let name = args.required()?;
    let rest = args.remaining();
    if rest.len() > 1 {
        return Err(args.arg_error());
    }
    Policy::parse(name, rest.first().copied()).map_err(|message| args.error(message))
}

fn header(args: &mut Args<'_>) -> Result<HeaderRule, ConfigError> {
    let words = args.remaining();
    let rule = HeaderRule::parse(&words).map_err(|message| args.error(message))?;
    rule.ok_or_else(|| args.arg_error())
}

fn duration(args: &mut Args<'_>) -> Result<Duration, ConfigError> {
    let text = args.required()?;
    parse_duration(text).map_err(|message| args.error(message))
}

fn number(args: &mut Args<'_>) -> Result<usize, ConfigError> {
    let text = args.required()?;
    text.parse().map_err(|_| args.error(format!("'{text}' is not a number of 0 or more")))
}
