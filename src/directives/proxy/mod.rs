//! `proxy`: hands requests to upstream HTTP servers and their answers back.
//!
//! [`options`] reads the directive and [`effects`] finds what changes nothing, [`policy`] picks an
//! upstream, [`attempt`] makes one try over a connection from [`pool`] or [`connect`]; [`forward`]
//! and [`respond`] turn the messages round. [`checks`] and [`discover`] work beside requests.
//! [`turns`] decides whose turn it is and when to try again; this file, which rule.

mod address;
mod answer;
mod attempt;
mod budget;
mod checks;
mod conn;
mod connect;
mod content;
mod digest;
mod discover;
mod effects;
mod error;
mod exchange;
mod fields;
mod forward;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod h2;
mod hash;
mod health;
mod http2;
mod names;
mod options;
mod outcome;
mod own;
mod payload;
mod policy;
mod pool;
mod proxy_protocol;
mod queue;
mod respond;
mod retry;
mod reverse;
mod rule;
mod rules;
mod set;
mod sticky;
mod tls;
mod turns;
mod upload;
mod upstream;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use self::rule::Rule;
use self::turns::serve;
use crate::caddyfile::{Args, ConfigError, Kind, Token};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::Request;
use crate::site::SiteBuilder;
use crate::warning::Warning;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut places = Vec::new();
    while args.next() {
        let place = args.token();
        let mut rule = Rule::parse(args, &mut site.warnings)?;
        site.warnings.extend(place.and_then(|at| hidden(&rule, at, rules.iter().zip(&places))));
        rule.site = site.name();
        site.answers_all |= rule.from.is_root() && rule.except.is_empty();
        site.tasks.extend(checks::tasks(&rule, &site.address.host, site.secure));
        rules.push(rule);
        places.push(place);
    }
    if !rules.is_empty() {
        site.push(Proxy::new(rules));
    }
    Ok(())
}

/// What is to be said of a line that gets no request, as an earlier one has all of them.
fn hidden<'a>(
    rule: &Rule,
    at: &Token,
    mut earlier: impl Iterator<Item = (&'a Rule, &'a Option<&'a Token>)>,
) -> Option<Warning> {
    let hides = |first: &Rule| first.from == rule.from && first.except.is_empty();
    let (_, first) = earlier.find(|(first, _)| hides(first))?;
    let message = format!("this proxy gets no request: an earlier one has all of {}", rule.from);
    let place = first.map_or(String::new(), |first| format!(" at {}:{}", first.file, first.line));
    let hint = format!("leave one of them out; the other is{place}");
    Some(ConfigError::at(at, Kind::Parse, message).hint(hint).warning())
}

/// All `proxy` lines of a site.
struct Proxy {
    /// The longest FROM first, so that the first match is the right one.
    rules: Vec<Rule>,
}

impl Proxy {
    fn new(mut rules: Vec<Rule>) -> Self {
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.from.as_str().len()));
        Self { rules }
    }

    fn rule(&self, path: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| {
            rule.from.holds(path) && !rule.except.iter().any(|except| except.holds(path))
        })
    }
}

impl Handler for Proxy {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        match self.rule(&req.route()) {
            Some(rule) => Box::pin(serve(rule, req)),
            None => next.run(req),
        }
    }
}
