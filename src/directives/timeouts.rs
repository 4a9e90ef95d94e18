//! `timeouts`: how long a client may take. Per listener the shortest that a site sets applies.

use std::time::Duration;

use crate::caddyfile::{Args, ConfigError, Options, Repeat, Usage, parse_duration};
use crate::http::timeouts::TimeoutOverrides;
use crate::site::SiteBuilder;

/// What may stand in the block.
const OPTIONS: &[Usage] = &[
    ("read DURATION, such as 30s, or: read none", Repeat::LastWins),
    ("header DURATION, such as 10s, or: header none", Repeat::LastWins),
    ("write DURATION, such as 5m, or: write none", Repeat::LastWins),
    ("idle DURATION, such as 5m, or: idle none", Repeat::LastWins),
];

/// `timeouts DURATION|none`, or a block of `read|header|write|idle DURATION|none`.
pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    args.written_as("timeouts DURATION, such as 30s; or a block of read, header, write and idle");
    while args.next() {
        let mut entries = 0;
        if args.next_arg() {
            entries += 1;
            let said = Some(limit(args.val(), args)?);
            site.timeouts = TimeoutOverrides { read: said, header: said, write: said, idle: said };
        }
        if args.next_arg() {
            return Err(args.arg_error());
        }
        let mut options = Options::new(OPTIONS);
        while args.next_block()? {
            entries += 1;
            let kind = args.val();
            options.entry(args, |args| {
                let text = args.required()?;
                let said = Some(limit(text, args)?);
                match kind {
                    "read" => site.timeouts.read = said,
                    "header" => site.timeouts.header = said,
                    "write" => site.timeouts.write = said,
                    _ => site.timeouts.idle = said,
                }
                Ok(())
            })?;
        }
        if entries == 0 {
            return Err(args.arg_error());
        }
        site.warnings.append(&mut options.warnings);
    }
    Ok(())
}

/// `none` and zero are no limit.
fn limit(text: &str, args: &Args<'_>) -> Result<Option<Duration>, ConfigError> {
    if text == "none" {
        return Ok(None);
    }
    if text.starts_with('-') {
        return Err(args
            .error("non-negative duration required for timeout value")
            .hint("write 'none' for no limit"));
    }
    let limit = parse_duration(text)
        .map_err(|message| args.error(message).hint("write a duration such as 30s, or none"))?;
    Ok(Some(limit).filter(|limit| !limit.is_zero()))
}
