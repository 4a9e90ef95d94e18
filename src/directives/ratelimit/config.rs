//! Reads the lines of `ratelimit`: those of the plugin, and shorter ones.

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use percent_encoding::utf8_percent_encode;

use super::quota::Quota;
use super::rule::{By, Counter, Rule};
use super::table::Table;
use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, Forbidden, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, option, parse_number};
use crate::http::paths::{IN_PATH, Prefix};
use crate::http::ranges::Ranges;

pub(in crate::directives) static OPTIONS: Options<Line> = Options::<Line>::new(&[
    option("burst N, such as: burst 20", Forbidden, |line, args| {
        args.number(1..).map(|burst| line.burst = burst)
    }),
    option("methods METHODS, such as: methods GET,POST", Forbidden, |line, args| {
        args.each(|args, word| methods(args, word)).map(|methods| line.methods = methods.concat())
    }),
    option("key address|user|all|header NAME, such as: key header X-Api-Key", Forbidden, key),
    option("limit_by_header NAME, such as: limit_by_header Authorization", LastWins, header),
    option("whitelist RANGE..., such as: whitelist 192.0.2.0/24,::1", Accumulates, |line, args| {
        args.each(|args, word| whitelist(args, word, &mut line.whitelist)).map(drop)
    }),
    option("status CODES|*, such as: status 401,403", LastWins, |line, args| {
        args.each(statuses).map(|statuses| line.statuses = statuses.concat())
    }),
])
.others(option("PATH|^PATH", Accumulates, |line, args| {
    let word = args.val();
    args.no_more()?;
    match word.strip_prefix('^') {
        Some(path) => line.except.push(arguments::prefix(args, path)?),
        None => line.paths.push(arguments::prefix(args, word)?),
    }
    Ok(())
}));

const UNITS: &[(&str, u64)] = &[
    ("second", 1),
    ("minute", 60),
    ("hour", 3600),
    ("day", 86_400),
    ("week", 7 * 86_400),
    ("s", 1),
    ("m", 60),
    ("h", 3600),
    ("d", 86_400),
];

/// One line with its block.
pub(in crate::directives) struct Line {
    methods: Vec<Method>,
    paths: Vec<Prefix>,
    except: Vec<Prefix>,
    requests: u64,
    period: Duration,
    burst: u64,
    by: By,
    whitelist: Ranges,
    statuses: Vec<StatusCode>,
}

/// Reads the line that `args` stands on.
pub(super) fn line(args: &mut Args<'_>) -> Result<Line, ConfigError> {
    let mut line = Line {
        methods: Vec::new(),
        paths: Vec::new(),
        except: Vec::new(),
        requests: 0,
        period: Duration::ZERO,
        burst: 0,
        by: By::Address,
        whitelist: Ranges::default(),
        statuses: Vec::new(),
    };
    let words = args.remaining();
    let rate = match words[..] {
        [rate] | [_, rate] => {
            (line.requests, line.period) = args.parsed(rate, parse_rate)?;
            line.burst = line.requests;
            &words[..words.len() - 1]
        }
        [.., requests, burst, unit] if words.len() <= 5 => {
            let number = |text: &str| parse_number(text, 1..);
            line.requests = args.parsed(requests, number)?;
            line.burst = args.parsed(burst, number)?;
            line.period = args.parsed(unit, parse_unit)?;
            &words[..words.len() - 3]
        }
        _ => return Err(args.arg_error()),
    };
    match *rate {
        [] => {}
        [path] if path.starts_with('/') || words.len() == 2 => {
            line.paths.push(arguments::prefix(args, path)?);
        }
        [names] => line.methods = methods(args, names)?,
        [names, path] => {
            line.methods = methods(args, names)?;
            line.paths.push(arguments::prefix(args, path)?);
        }
        _ => return Err(args.arg_error()),
    }
    OPTIONS.read(&mut line, args)?;
    if line.paths.is_empty() && words.len() == 1 {
        line.paths.push(Prefix::new("/"));
    }
    line.check(args)?;
    Ok(line)
}

impl Line {
    fn check(&self, args: &mut Args<'_>) -> Result<(), ConfigError> {
        if self.paths.is_empty() {
            return Err(args
                .error("ratelimit: no path is limited")
                .hint("write paths in the block, one a line: /"));
        }
        for path in &self.paths {
            if let Some(except) = self.except.iter().find(|except| except.holds(path.as_str())) {
                let message = format!("ratelimit: ^{except} leaves nothing of {path}");
                args.warn(args.error(message).hint("name a path below it, or leave it out"));
            }
        }
        Ok(())
    }

    /// The rule, with counters that a line of the same words had before in this site.
    pub(super) fn rule(
        self,
        site: &str,
        names: &mut Vec<String>,
        table: &Table,
        args: &Args<'_>,
    ) -> Result<Rule, ConfigError> {
        let quota = Quota::new(self.requests, self.period, self.burst).ok_or_else(|| {
            args.error("ratelimit: a client would wait more than ten years for its burst")
                .hint("write a smaller burst, or a higher rate")
        })?;
        let quota = table.quota(quota);
        let mut counters = Vec::new();
        for path in self.paths {
            let name = name_of(&path, names);
            let identity = (
                (site, path.folded(), &name, format!("{:?}", self.by)),
                self.methods.iter().map(Method::as_str).collect::<Vec<_>>(),
                (self.requests, self.period, self.burst),
                self.statuses.iter().map(StatusCode::as_u16).collect::<Vec<_>>(),
            );
            let key = table.key(&identity);
            let window = quota.window().as_nanos().div_ceil(1_000_000_000);
            let policy = format!("{name};q={};w={window}", quota.burst());
            let policy = HeaderValue::try_from(policy).map_err(|_| {
                args.error("ratelimit: the policy cannot be sent in a header field")
            })?;
            counters.push(Counter { path, key, name, policy });
        }
        // Responses are counted for all paths of the line together.
        if !self.statuses.is_empty()
            && let Some(first) = counters.first().map(|counter| counter.key)
        {
            counters.iter_mut().for_each(|counter| counter.key = first);
        }
        let Self { methods, except, whitelist, by, statuses, .. } = self;
        Ok(Rule { methods, counters, except, whitelist, by, quota, statuses })
    }
}

/// The path as a string of structured fields (RFC 9651 section 3.3.3), with a number if another
/// counter has it too.
fn name_of(path: &Prefix, names: &mut Vec<String>) -> String {
    let path = utf8_percent_encode(path.as_str(), IN_PATH).to_string();
    let others = names.iter().filter(|name| **name == path).count();
    let name =
        if others == 0 { format!("\"{path}\"") } else { format!("\"{path}#{}\"", others + 1) };
    names.push(path);
    name
}

fn parse_unit(text: &str) -> Result<Duration, String> {
    let unit = UNITS.iter().find(|(name, _)| *name == text).map(|(_, s)| Duration::from_secs(*s));
    unit.ok_or_else(|| format!("must be per second, minute, hour, day or week, not '{text}'"))
}

/// `10/second`.
fn parse_rate(text: &str) -> Result<(u64, Duration), String> {
    let (number, unit) = text
        .split_once('/')
        .ok_or_else(|| format!("must be a rate such as 10/second, not '{text}'"))?;
    Ok((parse_number(number, 1..)?, parse_unit(unit)?))
}

fn methods(args: &Args<'_>, word: &str) -> Result<Vec<Method>, ConfigError> {
    if word == "*" {
        return Ok(Vec::new());
    }
    let is_name = |name: &&str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    let names: Vec<_> = word.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let methods = names.iter().filter(|name| is_name(name)).map(|name| name.parse().ok());
    let methods: Vec<Method> = methods.flatten().collect();
    if methods.len() == names.len() && !methods.is_empty() {
        return Ok(methods);
    }
    let message = format!("ratelimit: '{word}' is not a list of methods");
    Err(args.error_at(word, message).hint("write * or a list such as GET,POST"))
}

fn statuses(args: &mut Args<'_>, word: &str) -> Result<Vec<StatusCode>, ConfigError> {
    if word == "*" {
        return Ok(Vec::new());
    }
    let code = |text: &str| {
        let code = parse_number::<u16>(text, 100..=599)?;
        StatusCode::from_u16(code).map_err(|error| error.to_string())
    };
    word.split(',').map(|text| args.parsed(word, |_| code(text.trim()))).collect()
}

fn whitelist(args: &Args<'_>, word: &str, ranges: &mut Ranges) -> Result<(), ConfigError> {
    match word.split(',').filter(|member| !member.is_empty()).find(|member| !ranges.add(member)) {
        Some(member) => {
            let message = format!("ratelimit: '{member}' is not a range of addresses");
            Err(args.error_at(word, message).hint(Ranges::HINT))
        }
        None => Ok(()),
    }
}

fn key(line: &mut Line, args: &mut Args<'_>) -> Result<(), ConfigError> {
    line.by = match args.required()? {
        "address" => By::Address,
        "user" => By::User,
        "all" => By::All,
        "header" => return header(line, args),
        _ => return Err(args.unknown("key", &["address", "user", "all", "header"])),
    };
    Ok(())
}

fn header(line: &mut Line, args: &mut Args<'_>) -> Result<(), ConfigError> {
    let word = args.required()?;
    arguments::field_name(args, word).map(|name| line.by = By::Header(name))
}
