//! `timeouts`: time limits for clients. Of all sites on a listener, the shortest values apply.

use std::time::Duration;

use crate::caddyfile::Repeat::LastWins;
use crate::caddyfile::{Args, ConfigError, Options, option, parse_duration};
use crate::http::timeouts::TimeoutOverrides;
use crate::site::SiteBuilder;

pub(super) static OPTIONS: Options<TimeoutOverrides> = Options::new(&[
    option("read DURATION|none, such as: read 30s", LastWins, |set, args| {
        limit(args).map(|limit| set.read = Some(limit))
    }),
    option("header DURATION|none, such as: header 10s", LastWins, |set, args| {
        limit(args).map(|limit| set.header = Some(limit))
    }),
    option("write DURATION|none, such as: write 5m", LastWins, |set, args| {
        limit(args).map(|limit| set.write = Some(limit))
    }),
    option("idle DURATION|none, such as: idle 5m", LastWins, |set, args| {
        limit(args).map(|limit| set.idle = Some(limit))
    }),
]);

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    while args.next() {
        let is_block = args.opens_block();
        if !is_block {
            let all = Some(limit(args)?);
            site.listener.timeouts =
                TimeoutOverrides { read: all, header: all, write: all, idle: all };
            args.no_more()?;
        }
        if OPTIONS.read(&mut site.listener.timeouts, args)?.is_empty() && is_block {
            return Err(args.arg_error());
        }
    }
    Ok(())
}

/// `none` and 0 mean no limit.
fn limit(args: &mut Args<'_>) -> Result<Option<Duration>, ConfigError> {
    let word = args.required()?;
    if word == "none" {
        return Ok(None);
    }
    if word.starts_with('-') {
        return Err(args
            .error("non-negative duration required for timeout value")
            .hint("write 'none' for no limit"));
    }
    let limit = args.parsed(word, parse_duration)?;
    Ok(Some(limit).filter(|limit| !limit.is_zero()))
}
