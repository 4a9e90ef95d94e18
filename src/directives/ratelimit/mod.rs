//! `ratelimit`: how many requests a client may make. A line counts them, for a path or several, by
//! what tells clients apart.

mod config;
mod ledger;
mod other_machines;
mod quota;
mod rule;
mod slots;
mod spending;
mod table;
#[cfg(test)]
mod tests;

use std::future::ready;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use http::header::{HeaderMap, HeaderName, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

pub(super) use self::config::OPTIONS;
use self::quota::Verdict;
use self::rule::{By, Counter, Rule};
use self::slots::Key;
use self::table::Table;
use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::fleet::common::Common;
use crate::http::{Fault, Request};
use crate::limits::RATELIMIT_CLIENTS;
use crate::site::SiteBuilder;

/// Of draft-ietf-httpapi-ratelimit-headers-10.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// The plugin's.
const PLUGIN_RETRY: HeaderName = HeaderName::from_static("x-ratelimit-retryafter");

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let (mut rules, mut of_users, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let site_name = site.name();
    let table = self::table(site.fleet.as_deref());
    while args.next() {
        let rule = config::line(args)?.rule(&site_name, &mut names, table, args)?;
        if rule.by == By::User { of_users.push(rule) } else { rules.push(rule) }
    }
    if !rules.is_empty() {
        site.push(RateLimit { rules, table });
    }
    if !of_users.is_empty() {
        site.push_before_content(RateLimit { rules: of_users, table });
    }
    Ok(())
}

/// That of the process, made at the first use.
fn table(common: Option<&Common>) -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    let table = TABLE.get_or_init(|| match common {
        Some(common) => Table::of_fleet(RATELIMIT_CLIENTS, common),
        None => Table::new(RATELIMIT_CLIENTS),
    });
    if let Some(common) = common {
        other_machines::share(table, common);
    }
    table
}

struct RateLimit {
    rules: Vec<Rule>,
    table: &'static Table,
}

/// A counter with what it said.
struct Counted<'a> {
    rule: &'a Rule,
    counter: &'a Counter,
    client: Key,
    verdict: Verdict,
}

impl Counted<'_> {
    fn tell(&self, headers: &mut HeaderMap) {
        let (name, verdict) = (&self.counter.name, &self.verdict);
        let limit = format!("{name};r={};t={}", verdict.remaining, seconds(verdict.reset));
        if let Ok(limit) = HeaderValue::try_from(limit) {
            headers.append(LIMIT, limit);
        }
        headers.append(POLICY, self.counter.policy.clone());
    }
}

/// Rounded up: who comes back then is let in.
fn seconds(time: Duration) -> u128 {
    time.as_nanos().div_ceil(1_000_000_000)
}

impl RateLimit {
    /// Counts a request. Behind one that does not allow it, counters are not asked.
    fn count(&self, req: &Request) -> Vec<Counted<'_>> {
        let now = self.table.moment(req.received);
        let mut counted = Vec::new();
        for rule in &self.rules {
            for counter in rule.counters_of(req) {
                let client = rule.client(counter, req, self.table);
                let verdict = match rule.statuses.is_empty() {
                    true => self.table.take(client, &rule.quota, now),
                    false => self.table.look(client, &rule.quota, now),
                };
                counted.push(Counted { rule, counter, client, verdict });
                if !verdict.is_allowed {
                    return counted;
                }
            }
        }
        counted
    }

    /// Counts the response, where statuses are counted.
    fn count_response(&self, counted: &[Counted<'_>], status: StatusCode) {
        let mut last = None;
        for one in counted.iter().filter(|one| one.rule.counts(status)) {
            // The paths of a line have one counter.
            if last.replace(one.client) != Some(one.client) {
                let now = self.table.moment(Instant::now());
                self.table.take(one.client, &one.rule.quota, now);
            }
        }
    }
}

fn refusal(counted: &[Counted<'_>]) -> Fault {
    let mut fault = Fault::status(StatusCode::TOO_MANY_REQUESTS);
    counted.iter().for_each(|one| one.tell(&mut fault.headers));
    let wait = counted.last().map_or(1, |one| seconds(one.verdict.reset).max(1));
    for (name, value) in [(RETRY_AFTER, wait.to_string()), (PLUGIN_RETRY, format!("{wait}s"))] {
        if let Ok(value) = HeaderValue::try_from(value) {
            fault.headers.insert(name, value);
        }
    }
    fault
}

impl Handler for RateLimit {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let counted = self.count(req);
        if counted.is_empty() {
            return next.run(req);
        }
        if counted.iter().any(|one| !one.verdict.is_allowed) {
            return Box::pin(ready(Err(refusal(&counted))));
        }
        Box::pin(async move {
            let mut reply = next.run(req).await;
            let (status, headers) = match &mut reply {
                Ok(response) => (response.status(), response.headers_mut()),
                Err(fault) => (fault.status, &mut fault.headers),
            };
            self.count_response(&counted, status);
            counted.iter().for_each(|one| one.tell(headers));
            reply
        })
    }
}
