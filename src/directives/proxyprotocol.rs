//! `proxyprotocol`: accepts the PROXY protocol from load balancers.

use crate::arguments;
use crate::caddyfile::Repeat::LastWins;
use crate::caddyfile::{
    Args, ConfigError, Options, Written, option, parse_duration, parse_positive_duration,
};
use crate::http::ranges::Ranges;
use crate::limits::PROXY_HEADER;
use crate::site::{ProxyProtocol, SiteBuilder};

pub(super) static OPTIONS: Options<ProxyProtocol> =
    Options::new(&[option("timeout DURATION, such as: timeout 5s", LastWins, |rule, args| {
        args.positive_duration().map(|limit| rule.timeout = limit)
    })]);

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rule = ProxyProtocol { from: Ranges::default(), timeout: PROXY_HEADER };
    let mut written = Written::default();
    while args.next() {
        let mut has_range = false;
        while args.next_arg() {
            let word = args.val();
            // The last word may be a duration.
            if has_range && parse_duration(word).is_ok() {
                rule.timeout = args.parsed(word, parse_positive_duration)?;
                args.no_more()?;
            } else {
                arguments::range(args, word, &mut rule.from)?;
                has_range = true;
            }
        }
        OPTIONS.read_more(&mut rule, args, &mut written)?;
    }
    if rule.from.is_empty() {
        return Err(args.arg_error());
    }
    site.listener.proxy_protocol = Some(rule);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
            let rule =
                site("proxyprotocol", setup, lines).unwrap().listener.proxy_protocol.unwrap();
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
            ("proxyprotocol ::1 0s", "proxyprotocol must be more than 0"),
            (
                "proxyprotocol ::1 {\n timeout none\n}",
                "timeout must be a duration such as 30s, not 'none'",
            ),
            ("proxyprotocol ::1 {\n timeout\n}", "Wrong argument count"),
            ("proxyprotocol ::1 {\n version 2\n}", "unknown property 'version'"),
        ] {
            let message = site("proxyprotocol", setup, lines).map(|_| ()).unwrap_err();
            assert!(message.contains(part), "{lines}: {message}");
        }
    }
}
