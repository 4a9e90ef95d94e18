//! `proxy`: forwards requests to upstream HTTP servers and returns their responses.
//!
//! [`config`] parses the directive into a [`rule`]. [`serve`] chooses an upstream by [`balance`]
//! and tries it by [`exchange`](crate::upstream::exchange). [`checks`] runs in the background, and
//! [`report`] reports the state of the upstreams. This file selects the rule of a request.

mod balance;
mod checks;
mod config;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod location;
mod report;
mod rule;
mod serve;

#[cfg(test)]
mod https_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub(super) use self::config::options::OPTIONS;
use crate::caddyfile::{Args, ConfigError, Kind, Token};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::directives::proxy::balance::sticky;
use crate::directives::proxy::rule::Rule;
use crate::directives::proxy::serve::serve;
use crate::http::Request;
use crate::site::SiteBuilder;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut places = Vec::new();
    if let Some(common) = &site.fleet {
        sticky::share(common);
    }
    while args.next() {
        let place = args.token();
        let mut rule = Rule::parse(args, &site.address.host, site.secure)?;
        if let Some(error) = place.and_then(|at| hidden(&rule, at, rules.iter().zip(&places))) {
            args.warn(error);
        }
        rule.site = site.name();
        site.answers_all |= rule.from.is_root() && rule.except.is_empty();
        site.tasks.extend(checks::tasks(&rule));
        site.upstreams.push(report::upstreams(&rule));
        rules.push(rule);
        places.push(place);
    }
    if !rules.is_empty() {
        site.push(Proxy::new(rules));
    }
    Ok(())
}

/// The warning for a line that never gets a request, as an earlier one handles all of them.
fn hidden<'a>(
    rule: &Rule,
    at: &Token,
    mut earlier: impl Iterator<Item = (&'a Rule, &'a Option<&'a Token>)>,
) -> Option<ConfigError> {
    let hides = |first: &Rule| first.from == rule.from && first.except.is_empty();
    let (_, first) = earlier.find(|(first, _)| hides(first))?;
    let from = &rule.from;
    let message = format!("this proxy never gets a request: an earlier one handles all of {from}");
    let place = first.map_or(String::new(), |first| format!(" at {}:{}", first.file, first.line));
    let hint = format!("leave one of them out; the other is{place}");
    Some(ConfigError::at(at, Kind::Parse, message).hint(hint))
}

/// All `proxy` lines of a site.
struct Proxy {
    /// Sorted by the length of FROM, the longest first, so that the first match is the best.
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
