//! Warns of options of a `proxy` line that have no effect beside the others.

use crate::caddyfile::{Args, ConfigError, Written};
use crate::directives::proxy::rule::Rule;
use crate::http::paths::Prefix;
use crate::upstream::host::upstream::Target;

/// Complains of each such option, where it is written.
pub(crate) fn check(
    rule: &Rule,
    options: &Written<'_>,
    args: &mut Args<'_>,
) -> Result<(), ConfigError> {
    if rule.max_conns == 0 {
        options.warn_no_effect(
            args,
            "queue",
            "without max_conns, as nothing ever waits",
            "write: max_conns 100",
        )?;
    }
    health(rule, options, args)?;
    let failures_count = !rule.tolerance.timeout.is_zero();
    if !failures_count {
        let why = "while fail_timeout is 0, as no failure counts";
        options.warn_no_effect(args, "max_fails", why, "write: fail_timeout 10s")?;
    }
    if rule.try_duration.is_none_or(|limit| limit.is_zero()) {
        options.warn_no_effect(
            args,
            "try_interval",
            "without try_duration",
            "write: try_duration 5s",
        )?;
    }
    if !rule.slow_start.is_zero() {
        if !rule.policy.spreads() {
            let why = "with first and the policies that hash";
            options.warn_no_effect(
                args,
                "slow_start",
                why,
                "leave it out, or choose another policy",
            )?;
        }
        if !failures_count && rule.check.path.is_none() {
            let why = "without fail_timeout or health_check, as no server ever leaves";
            options.warn_no_effect(args, "slow_start", why, "write: health_check /PATH")?;
        }
    }
    if rule.exchange.tls.is_none() {
        for option in ["insecure_skip_verify", "ca_certificates", "tls_client"] {
            let why = "without a server that speaks TLS";
            options.warn_no_effect(args, option, why, "write: https://HOST, or leave it out")?;
        }
    }
    if !can_be_cut(&rule.exchange.without, &rule.from) {
        let why = format!("for requests below '{}', which do not begin with it", rule.from);
        options.warn_no_effect(args, "without", &why, &format!("write: without {}", rule.from))?;
    }
    let why = "here: the addresses of a name share the time of timeout";
    options.warn_no_effect(args, "fallback_delay", why, "leave it out")
}

fn health(rule: &Rule, options: &Written<'_>, args: &mut Args<'_>) -> Result<(), ConfigError> {
    if rule.check.path.is_none() {
        for option in ["interval", "timeout", "port", "host", "status", "contains"] {
            let option = format!("health_check_{option}");
            options.warn_no_effect(
                args,
                &option,
                "without health_check",
                "write: health_check /PATH",
            )?;
        }
    } else if rule.discovery.is_none()
        && rule.hosts.iter().all(|host| matches!(host.target, Target::Unix(_)))
    {
        options.warn_no_effect(args, "health_check_port", "for unix sockets", "leave it out")?;
    }
    Ok(())
}

/// Whether a path below `from` can begin with `without`.
fn can_be_cut(without: &Prefix, from: &Prefix) -> bool {
    from.holds(without.as_str()) || without.holds(from.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_cut() {
        for (without, from, can) in [
            ("", "/", true),
            ("/api", "/", true),
            ("/api", "/api", true),
            ("/api", "/API/v1", true),
            ("/api/v1", "/api", true),
            ("/b", "/api", false),
        ] {
            let read = |text| Prefix::new(text);
            assert_eq!(can_be_cut(&read(without), &read(from)), can, "{without} {from}");
        }
    }
}
