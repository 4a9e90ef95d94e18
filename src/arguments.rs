//! Arguments and options that several directives take: paths, ranges of addresses, names of
//! fields, patterns, commands, conditions, and when a log file is rotated.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http::HeaderName;
use regex::Regex;

use crate::caddyfile::Repeat::{Accumulates, LastWins};
use crate::caddyfile::{
    Args, ConfigError, OptionRow, Options, option, parse_one_in, suggestion, templated,
};
use crate::http::condition::{Condition, Conditions, OPERATORS};
use crate::http::paths::Prefix;
use crate::http::ranges::Ranges;
use crate::http::sink::Roll;

/// Reads an argument that is a path: the one check for every word that takes one.
pub fn prefix(args: &mut Args<'_>, word: &str) -> Result<Prefix, ConfigError> {
    if is_address(word) {
        return Err(not_a_path(args, word));
    }
    let (prefix, remark) =
        Prefix::parse(word).map_err(|wrong| args.error_at(word, wrong.message).hint(wrong.hint))?;
    if let Some(warning) = remark {
        let hint = match word {
            "on" | "true" | "yes" => format!("write {} without '{word}'", args.name()),
            "off" | "false" | "no" => "leave the line out to turn it off".to_owned(),
            _ => warning.hint.to_string(),
        };
        args.warn(args.error_at(word, warning.message).hint(hint));
    }
    Ok(prefix)
}

/// Reads the paths of an `except` that stand below the directive's own. As in v1 their last slash
/// does not count.
pub fn excepted(args: &mut Args<'_>, from: &Prefix) -> Result<Vec<Prefix>, ConfigError> {
    args.each(|args, word| {
        let below = prefix(args, &format!("/{}", word.trim_matches('/')))?;
        let joined = format!("{}{below}", from.as_str().trim_end_matches('/'));
        let joined = Prefix::new(joined.trim_end_matches('/'));
        if joined.holds(from.as_str()) {
            let message = format!("except {word} leaves nothing of {from}");
            let hint = "name paths below it, or leave the directive out";
            args.warn(args.error_at(word, message).hint(hint));
        }
        Ok(joined)
    })
}

/// Where a path belongs stands something else: arguments in the wrong order, or one too few.
pub fn not_a_path(args: &Args<'_>, word: &str) -> ConfigError {
    let error = args.error_at(word, format!("'{word}' is not a path: a path begins with '/'"));
    match args.directive() {
        "ipfilter" => error.hint(format!("write the address in the block: ip {word}")),
        name => error.hint(format!("write the path before it: {name} / {word}")),
    }
}

/// Whether a word is meant to be the address of a server.
pub fn is_address(word: &str) -> bool {
    let is_port = |(_, port): (&str, &str)| port.parse::<u16>().is_ok();
    !word.starts_with('/')
        && (word.contains("://")
            || word == "localhost"
            || word.rsplit_once(':').is_some_and(is_port)
            || word.parse::<std::net::IpAddr>().is_ok())
}

/// Adds the addresses that a word stands for.
pub fn range(args: &Args<'_>, word: &str, ranges: &mut Ranges) -> Result<(), ConfigError> {
    if ranges.add(word) {
        return Ok(());
    }
    let message = format!("{}: '{word}' is not a range of addresses", args.directive());
    Err(args.error_at(word, message).hint(Ranges::HINT))
}

/// Reads the address of a site for the operator: an IP address or `localhost`, and a port. Without
/// a host it is all addresses of this machine.
pub fn admin_address(args: &Args<'_>, word: &str) -> Result<SocketAddr, ConfigError> {
    let unknown = || {
        args.error_at(word, format!("'{word}' is not an address to listen on"))
            .hint("write an IP address or localhost and a port, such as localhost:9180")
    };
    let (host, port) = word.rsplit_once(':').ok_or_else(unknown)?;
    let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(unknown)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let ip = match (host, bare) {
        ("", _) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        ("localhost", _) => IpAddr::from(Ipv4Addr::LOCALHOST),
        (_, Some(v6)) => v6.parse::<Ipv6Addr>().map_err(|_| unknown())?.into(),
        (v4, None) => v4.parse::<Ipv4Addr>().map_err(|_| unknown())?.into(),
    };
    Ok(SocketAddr::new(ip, port))
}

/// Reads the one argument of an option that chooses some of many: 1/N.
pub fn one_in(args: &mut Args<'_>) -> Result<u32, ConfigError> {
    args.required().and_then(|word| args.parsed(word, parse_one_in))
}

/// Reads the name of a header field.
pub fn field_name(args: &Args<'_>, word: &str) -> Result<HeaderName, ConfigError> {
    HeaderName::try_from(word).map_err(|_| {
        args.error_at(word, format!("'{word}' is not a header field name"))
            .hint("a name has letters, digits and '-', and no ':'")
    })
}

/// Reads a regular expression.
pub fn pattern(args: &Args<'_>, word: &str) -> Result<Regex, ConfigError> {
    Regex::new(word).map_err(|error| {
        let message = format!("invalid regular expression '{word}'");
        args.error_at(word, message).hint(error.to_string())
    })
}

/// Splits a command as a shell splits words; nothing else of a shell is done.
pub fn command(args: &Args<'_>, words: &[&str]) -> Result<Vec<String>, ConfigError> {
    let line = words.join(" ");
    let command = shlex::split(&line).ok_or_else(|| {
        args.error(format!("unclosed quote in the command '{line}'"))
            .hint("close it; a quote that is meant is written \\' or \\\"")
    })?;
    if command.is_empty() {
        let message = format!("no command contained in '{line}'");
        return Err(args.error(message).hint("write a program and its arguments"));
    }
    Ok(command)
}

/// A block that holds for some requests only.
pub trait Conditional: Sized + 'static {
    fn conditions(&mut self) -> &mut Conditions;

    const CONDITIONS: &'static [OptionRow<Self>] = &[
        templated(
            "if A OPERATOR B, such as: if {path} starts_with /old",
            Accumulates,
            |block, args| condition(args).map(|condition| block.conditions().push(condition)),
        ),
        option("if_op and|or", LastWins, |block, args| {
            let any = args.one_of("operator", &[("and", false), ("or", true)])?;
            block.conditions().match_any(any);
            Ok(())
        }),
    ];
}

fn condition(args: &mut Args<'_>) -> Result<Condition, ConfigError> {
    let (a, operator, b) = (args.required()?, args.required()?, args.required()?);
    Condition::new(a, operator, b).ok_or_else(|| {
        args.error_at(operator, format!("Invalid operator {operator}"))
            .hint(suggestion(operator, &OPERATORS))
    })
}

/// What has the options that say when a log file is rotated.
pub trait Rotated: Sized + 'static {
    fn roll(&mut self) -> &mut Roll;

    const ROTATION: &'static [OptionRow<Self>] = &[
        option("rotate_size MB, such as: rotate_size 100", LastWins, |log, args| {
            size(log.roll(), args)
        }),
        option("rotate_age DAYS, such as: rotate_age 14", LastWins, |log, args| {
            age(log.roll(), args)
        }),
        option("rotate_keep N, such as: rotate_keep 10", LastWins, |log, args| {
            keep(log.roll(), args)
        }),
        option("rotate_compress", Accumulates, |log, _| compress(log.roll())),
        option("rotate_disable", Accumulates, |log, _| disable(log.roll())),
    ];
}

impl Rotated for Roll {
    fn roll(&mut self) -> &mut Roll {
        self
    }
}

/// The block for it that Caddy 0.9 had inside the log's, with its own names.
pub static ROTATION_0_9: Options<Roll> = Options::new(&[
    option("size MB, such as: size 100", LastWins, size),
    option("age DAYS, such as: age 14", LastWins, age),
    option("keep N, such as: keep 10", LastWins, keep),
    option("compress", Accumulates, |roll, _| compress(roll)),
    option("disable", Accumulates, |roll, _| disable(roll)),
])
.and(Roll::ROTATION);

fn size(roll: &mut Roll, args: &mut Args<'_>) -> Result<(), ConfigError> {
    let megabytes: u32 = args.number(0..)?;
    roll.size = Some(u64::from(megabytes) << 20).filter(|size| *size > 0);
    Ok(())
}

fn age(roll: &mut Roll, args: &mut Args<'_>) -> Result<(), ConfigError> {
    let days: u32 = args.number(0..)?;
    roll.age = Duration::from_secs(u64::from(days) * 24 * 3600);
    Ok(())
}

fn keep(roll: &mut Roll, args: &mut Args<'_>) -> Result<(), ConfigError> {
    args.number(0..).map(|files| roll.keep = files)
}

fn compress(roll: &mut Roll) -> Result<(), ConfigError> {
    roll.compress = true;
    Ok(())
}

fn disable(roll: &mut Roll) -> Result<(), ConfigError> {
    roll.size = None;
    Ok(())
}
