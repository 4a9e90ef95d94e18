//! `timeouts`: how long a client may take. Per listener the shortest that a site sets applies.

use std::time::Duration;

use crate::caddyfile::{Args, ConfigError, parse_duration};
use crate::http::limits::SaidTimeouts;
use crate::site::SiteBuilder;

/// `timeouts DURATION|none`, or a block of `read|header|write|idle DURATION|none`.
pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    while args.next() {
        let all = args.remaining();
        match all.as_slice() {
            [] => {}
            [text] => {
                let said = Some(limit(text, args)?);
                site.timeouts = SaidTimeouts { read: said, header: said, write: said, idle: said };
            }
            _ => return Err(args.arg_error()),
        }
        let mut entries = 0;
        while args.next_block()? {
            entries += 1;
            let kind = args.val();
            let text = args.required()?;
            let said = Some(limit(text, args)?);
            match kind {
                "read" => site.timeouts.read = said,
                "header" => site.timeouts.header = said,
                "write" => site.timeouts.write = said,
                "idle" => site.timeouts.idle = said,
                _ => {
                    let message =
                        format!("unknown timeout '{kind}': must be read, header, write, or idle");
                    return Err(args.error(message).hint("write: read 30s"));
                }
            }
            if args.next_arg() {
                return Err(args.arg_error());
            }
        }
        if all.is_empty() && entries == 0 {
            return Err(args.arg_error());
        }
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
