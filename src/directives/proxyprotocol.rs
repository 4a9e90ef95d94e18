//! `proxyprotocol`: load balancers that name their client in front of each connection.

use std::time::Duration;

use crate::caddyfile::{Args, ConfigError, Options, Repeat, Usage, parse_duration};
use crate::http::ranges::Ranges;
use crate::limits::PROXY_HEADER;
use crate::site::{ProxyProtocol, SiteBuilder};

const OPTIONS: &[Usage] = &[("timeout DURATION, such as 5s", Repeat::LastWins)];

/// `proxyprotocol RANGE… [TIMEOUT]`, and the timeout in a block as well.
pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    args.written_as("proxyprotocol RANGE... [TIMEOUT], such as: proxyprotocol 10.0.0.0/8 5s");
    let mut rule = ProxyProtocol { from: Ranges::default(), timeout: PROXY_HEADER };
    let mut options = Options::new(OPTIONS);
    while args.next() {
        let mut ranges = 0;
        while args.next_arg() {
            let word = args.val();
            if rule.from.add(word) {
                ranges += 1;
            } else if ranges > 0 && parse_duration(word).is_ok() {
                rule.timeout = timeout(word, args)?;
                if args.next_arg() {
                    return Err(args.arg_error());
                }
            } else {
                let message = format!("proxyprotocol: '{word}' is not a range of addresses");
                return Err(args.error(message).hint(Ranges::HINT));
            }
        }
        while args.next_block()? {
            options.entry(args, |args| {
                let text = args.required()?;
                rule.timeout = timeout(text, args)?;
                Ok(())
            })?;
        }
    }
    if rule.from.is_empty() {
        return Err(args.arg_error());
    }
    site.proxy_protocol = Some(rule);
    site.warnings.append(&mut options.warnings);
    Ok(())
}

fn timeout(text: &str, args: &Args<'_>) -> Result<Duration, ConfigError> {
    let limit = parse_duration(text).ok().filter(|limit| !limit.is_zero());
    limit.ok_or_else(|| {
        let message = format!("proxyprotocol: '{text}' is not a duration above zero");
        args.error(message).hint("write a duration such as 5s; there is always a limit")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directives::testing::site;

    #[test]
    fn lines_are_read() {
        for (lines, seconds) in [
            ("proxyprotocol 192.0.2.1", 5),
            ("proxyprotocol 192.0.2.0/24 10.0.0.0/8", 5),
            ("proxyprotocol 192.0.2.1 2s", 2),
            ("proxyprotocol private 192.0.2.1 {\n timeout 3s\n}", 3),
            ("proxyprotocol private\nproxyprotocol 192.0.2.1", 5),
        ] {
            let rule = site("proxyprotocol", setup, lines).unwrap().proxy_protocol.unwrap();
            assert!(rule.from.contains([192, 0, 2, 1].into()), "{lines}");
            assert_eq!(rule.timeout, Duration::from_secs(seconds), "{lines}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (lines, part) in [
            ("proxyprotocol", "Wrong argument count"),
            ("proxyprotocol 5s", "'5s' is not a range"),
            ("proxyprotocol 5s ::1", "'5s' is not a range"),
            ("proxyprotocol ::1 0s", "'0s' is not a duration above zero"),
            ("proxyprotocol ::1 {\n timeout none\n}", "'none' is not a duration"),
            ("proxyprotocol ::1 {\n timeout\n}", "Wrong argument count"),
            ("proxyprotocol ::1 {\n version 2\n}", "unknown property 'version'"),
        ] {
            let message = site("proxyprotocol", setup, lines).map(|_| ()).unwrap_err();
            assert!(message.contains(part), "{lines}: {message}");
        }
    }
}
