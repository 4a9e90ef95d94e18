//! `limits` and the older `maxrequestbody`: the largest size of requests.

use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, option, parse_size};
use crate::site::SiteBuilder;

pub(super) static OPTIONS: Options<SiteBuilder> = Options::<SiteBuilder>::new(&[
    option("header SIZE, such as: header 32KB", LastWins, |site, args| {
        args.size().map(|bytes| site.listener.header_bytes = Some(header_size(bytes)))
    }),
    option("body [PATH] SIZE, such as: body /upload 1GB", Accumulates, |site, args| {
        let words = args.remaining();
        body_of_line(&words, site, args)
    }),
]);

pub(super) static PATHS: Options<SiteBuilder> = Options::<SiteBuilder>::new(&[]).others(option(
    "PATH SIZE, such as: /upload 1GB",
    Accumulates,
    |site, args| {
        let (path, bytes) = (args.val(), args.size()?);
        body(site, path, bytes, args)
    },
));

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    while args.next() {
        let is_alone = args.next_arg();
        if is_alone {
            let bytes = args.parsed(args.val(), parse_size)?;
            site.listener.header_bytes = Some(header_size(bytes));
            body(site, "/", bytes, args)?;
            args.no_more()?;
        }
        if OPTIONS.read(site, args)?.is_empty() && !is_alone {
            return Err(args.arg_error());
        }
    }
    Ok(())
}

pub(super) fn setup_maxrequestbody(
    args: &mut Args<'_>,
    site: &mut SiteBuilder,
) -> Result<(), ConfigError> {
    while args.next() {
        let words = args.remaining();
        if !words.is_empty() {
            body_of_line(&words, site, args)?;
        }
        if PATHS.read(site, args)?.is_empty() && words.is_empty() {
            return Err(args.arg_error());
        }
    }
    Ok(())
}

/// `[PATH] SIZE`
fn body_of_line(
    words: &[&str],
    site: &mut SiteBuilder,
    args: &mut Args<'_>,
) -> Result<(), ConfigError> {
    let (path, size) = match *words {
        [size] => ("/", size),
        [path, size] => (path, size),
        _ => return Err(args.arg_error()),
    };
    let bytes = args.parsed(size, parse_size)?;
    body(site, path, bytes, args)
}

/// The last limit for a path is used; longer paths are checked first.
fn body(
    site: &mut SiteBuilder,
    path: &str,
    bytes: u64,
    args: &mut Args<'_>,
) -> Result<(), ConfigError> {
    let path = arguments::prefix(args, path)?;
    let limits = &mut site.limits.body;
    if limits.iter().any(|(other, _)| *other == path) {
        let message = format!("'{path}' has two limits for bodies; the last one applies");
        args.warn(args.error(message).hint("leave one of them out"));
    }
    limits.retain(|(other, _)| *other != path);
    limits.push((path, bytes));
    limits.sort_by_key(|(path, _)| std::cmp::Reverse(path.as_str().len()));
    Ok(())
}

fn header_size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
