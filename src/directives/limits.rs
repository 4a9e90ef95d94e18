//! `limits` and its older form `maxrequestbody`: how large a request may be.

use crate::arguments;
use crate::caddyfile::{Args, ConfigError, Options, Repeat, Usage};
use crate::site::SiteBuilder;

/// What may stand in the block of `limits`.
const OPTIONS: &[Usage] = &[
    ("header SIZE, such as 32KB", Repeat::LastWins),
    ("body [PATH] SIZE, such as: body /upload 1GB", Repeat::Accumulates),
];

/// `limits SIZE`, or a block of `header SIZE` and `body [PATH] SIZE`.
pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    args.written_as("limits SIZE, such as 10MB; or a block of header SIZE and body [PATH] SIZE");
    while args.next() {
        let mut found = true;
        match args.remaining().as_slice() {
            [] => found = false,
            [text] => {
                let bytes = size(text, args)?;
                site.limits.header = Some(header_size(bytes));
                body(site, "/", bytes, args)?;
            }
            _ => return Err(args.arg_error()),
        }
        let mut options = Options::new(OPTIONS);
        while args.next_block()? {
            found = true;
            let kind = args.val();
            options.entry(args, |args| {
                match (kind, args.remaining().as_slice()) {
                    ("header", [text]) => {
                        site.limits.header = Some(header_size(size(text, args)?));
                    }
                    ("body", [text]) => body(site, "/", size(text, args)?, args)?,
                    ("body", [path, text]) => body(site, path, size(text, args)?, args)?,
                    _ => return Err(args.arg_error()),
                }
                Ok(())
            })?;
        }
        if !found {
            return Err(args.arg_error());
        }
        site.warnings.append(&mut options.warnings);
    }
    Ok(())
}

/// `maxrequestbody [PATH] SIZE`, or a block of `PATH SIZE`.
pub(super) fn setup_maxrequestbody(
    args: &mut Args<'_>,
    site: &mut SiteBuilder,
) -> Result<(), ConfigError> {
    args.written_as("maxrequestbody [PATH] SIZE, such as 10MB; or a block of PATH SIZE");
    while args.next() {
        let mut found = true;
        match args.remaining().as_slice() {
            [] => found = false,
            [text] => body(site, "/", size(text, args)?, args)?,
            [path, text] => body(site, path, size(text, args)?, args)?,
            _ => return Err(args.arg_error()),
        }
        while args.next_block()? {
            found = true;
            let path = args.val();
            let bytes = size(args.required()?, args)?;
            body(site, path, bytes, args)?;
        }
        if !found {
            return Err(args.arg_error());
        }
    }
    Ok(())
}

/// The last limit for a path wins; the longest path is looked at first.
fn body(
    site: &mut SiteBuilder,
    path: &str,
    bytes: u64,
    args: &Args<'_>,
) -> Result<(), ConfigError> {
    let path = arguments::prefix(args, path, &mut site.warnings)?;
    let limits = &mut site.limits.body;
    if limits.iter().any(|(other, _)| *other == path) {
        let message = format!("'{path}' has two limits for bodies; the last one holds");
        site.warnings.push(args.error(message).hint("leave one of them out").warning());
    }
    limits.retain(|(other, _)| *other != path);
    limits.push((path, bytes));
    limits.sort_by_key(|(path, _)| std::cmp::Reverse(path.as_str().len()));
    Ok(())
}

fn header_size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn size(text: &str, args: &Args<'_>) -> Result<u64, ConfigError> {
    parse_size(text).ok_or_else(|| {
        args.error(format!("invalid size '{text}'"))
            .hint("write a number from 1 and a unit: B, KB, MB or GB")
    })
}

/// Bytes; the units are powers of 1024, whatever their case.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.to_ascii_uppercase();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[digits..] {
        "" | "B" => 1,
        "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok().filter(|n| *n > 0)?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("100", Some(100)),
            ("1b", Some(1)),
            ("2KB", Some(2048)),
            ("3mb", Some(3 << 20)),
            ("1GB", Some(1 << 30)),
            ("0", None),
            ("-1", None),
            ("1TB", None),
            ("MB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
    }
}
