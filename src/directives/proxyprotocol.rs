//! `proxyprotocol`: load balancers that name their client in front of each connection.

use std::time::Duration;

use crate::caddyfile::{Args, ConfigError, parse_duration};
use crate::http::limits::PROXY_HEADER;
use crate::http::ranges::Ranges;
use crate::site::{ProxyProtocol, SiteBuilder};

/// `proxyprotocol RANGE… [TIMEOUT]`, and the timeout in a block as well.
pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rule = ProxyProtocol { from: Ranges::default(), timeout: PROXY_HEADER };
    while args.next() {
        let words = args.remaining();
        for (at, word) in words.iter().enumerate() {
            if rule.from.add(word) {
                continue;
            }
            if at == 0 || at + 1 < words.len() || parse_duration(word).is_err() {
                let message = format!("proxyprotocol: '{word}' is not a range of addresses");
                return Err(args.error(message).hint(Ranges::HINT));
            }
            rule.timeout = timeout(word, args)?;
        }
        while args.next_block()? {
            match args.val() {
                "timeout" => {
                    let text = args.required()?;
                    rule.timeout = timeout(text, args)?;
                }
                word => {
                    let error = args.error(format!("proxyprotocol: unknown property '{word}'"));
                    return Err(error.hint("proxyprotocol knows timeout"));
                }
            }
        }
    }
    if rule.from.is_empty() {
        return Err(args.arg_error().hint(Ranges::HINT));
    }
    site.proxy_protocol = Some(rule);
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
            let rule = site(("proxyprotocol", setup), lines).unwrap().proxy_protocol.unwrap();
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
            let message = site(("proxyprotocol", setup), lines).map(|_| ()).unwrap_err();
            assert!(message.contains(part), "{lines}: {message}");
        }
    }
}
