//! The loop over upstreams: selects one for a request, tries it, and retries or answers.

use http::header::ALT_SVC;
use http::{Method, Response};
use tokio::time::Instant;

use crate::directives::proxy::balance::retry::{Retries, RetryLimits, Tried};
use crate::directives::proxy::exchange::affinity;
use crate::directives::proxy::exchange::attempt::attempt;
use crate::directives::proxy::exchange::outcome::{Attempt, Outcome, is_idempotent};
use crate::directives::proxy::exchange::payload::Payload;
use crate::directives::proxy::host::error::{Fate, ProxyError};
use crate::directives::proxy::host::set::Set;
use crate::directives::proxy::host::upstream::{Slot, Upstream};
use crate::directives::proxy::rewrite::header_rules;
use crate::directives::proxy::rewrite::location::Places;
use crate::directives::proxy::rule::Rule;
use crate::http::placeholders::ResponseFacts;
use crate::http::response::{NeedsHttp1, Removed};
use crate::http::{Body, Fault, Reply, Request};

/// The smallest fraction of its share that a host gets after it has recovered.
const LEAST_SHARE: f64 = 0.05;

/// Answers a request by one of the rule's upstreams.
pub(crate) async fn serve(rule: &Rule, req: &mut Request) -> Reply {
    // CONNECT asks for a tunnel, which an upstream of a site does not provide.
    if req.head.method == Method::CONNECT {
        return Err(Fault::not_allowed(Fault::METHODS));
    }
    req.peer.kept.set_elsewhere(true);
    let started = Instant::now();
    let found = match &rule.discovery {
        Some(discovery) => {
            Some(Box::pin(discovery.hosts(started + rule.exchange.connect_timeout)).await)
        }
        None => None,
    };
    let hosts = found.as_deref().unwrap_or(&rule.hosts);
    if let Some(budget) = &rule.budget {
        budget.request(started);
    }
    let mut payload = payload(rule, req);
    let limits = RetryLimits { try_duration: rule.try_duration, try_interval: rule.try_interval };
    let mut retries = Retries::new(started);
    loop {
        let none = match turn(rule, hosts, req, &retries).await {
            Ok((index, slot)) => {
                let host = &hosts[index];
                let settings = &rule.exchange;
                let this = Attempt { settings, host, req, payload: &mut payload };
                match attempt(this, slot).await {
                    Outcome::Answered(mut response) => {
                        payload.settle();
                        answered(rule, host, req, &mut response, started);
                        return Ok(response);
                    }
                    Outcome::Failed { error, fate } => {
                        req.upstream = Some(host.name.clone());
                        if matches!(error, ProxyError::NeedsHttp1) {
                            req.head.extensions.insert(NeedsHttp1);
                        }
                        if !error.by_client() {
                            host.state.fail(&rule.site, &host.name, &error, rule.tolerance);
                        }
                        let error = error.at(&host.name);
                        if fate == Fate::Final || !payload.available() {
                            return Err(error.into());
                        }
                        retries.failed(index, error, fate);
                        None
                    }
                }
            }
            Err(none) => Some(none),
        };
        retries.next(limits, hosts.len(), none).await?;
    }
}

/// Takes the body off the request; it is kept only where it may be sent once more: to another
/// upstream, to the same one where a kept connection turns out to be closed, and to one that has
/// refused it.
fn payload(rule: &Rule, req: &mut Request) -> Payload {
    if let Some(upgrade) = &mut req.upgrade {
        return Payload::new(std::mem::take(&mut upgrade.incoming));
    }
    let body = std::mem::take(&mut req.body);
    let again = is_idempotent(&req.head.method) || rule.may_be_refused();
    if again { Payload::keep(body) } else { Payload::new(body) }
}

/// The upstream whose turn it is and a place there, after a wait in the queue if there is one.
async fn turn(
    rule: &Rule,
    hosts: &Set,
    req: &Request,
    retries: &Retries,
) -> Result<(usize, Slot), ProxyError> {
    let take = || pick(rule, hosts, req, &retries.tried);
    let picked = match &rule.queue {
        Some(queue) if queue.is_waiting() => Err(ProxyError::Busy),
        _ => take(),
    };
    let (index, slot) = match (picked, &rule.queue) {
        (Err(ProxyError::Busy), Some(queue)) => Box::pin(queue.wait(hosts, take)).await?,
        (picked, _) => picked?,
    };
    let suspect = hosts[index].state.is_suspect();
    if retries.cost(suspect)
        && rule.budget.as_ref().is_some_and(|budget| !budget.repeat(Instant::now()))
    {
        return Err(ProxyError::Budget);
    }
    Ok((index, slot))
}

/// Chooses an upstream that was not tried in this round, and takes a place on it.
pub(crate) fn pick(
    rule: &Rule,
    hosts: &Set,
    req: &Request,
    tried: &Tried,
) -> Result<(usize, Slot), ProxyError> {
    let up = |i: usize| hosts[i].health.as_ref().is_none_or(|health| !health.is_down());
    let room = |i: usize| rule.max_conns == 0 || hosts[i].state.conns() < rule.max_conns;
    let sound = |i: usize| up(i) && hosts[i].state.fails() < rule.tolerance.fails;
    let open = |i: usize| sound(i) && room(i) && !tried.has(i);
    for _ in 0..hosts.len() {
        let index = choose(rule, hosts, req, (tried, &open)).or_else(|| {
            // Failures do not take the last upstream: where all have failed, any may be tried.
            let none_sound = !(0..hosts.len()).any(sound);
            let spare = |i: usize| up(i) && room(i) && !tried.has(i);
            rule.policy.choose(hosts, req, &spare).filter(|_| none_sound)
        });
        let Some(index) = index else { break };
        // Another worker may have taken the last place in between.
        if let Some(slot) = rule.take_place(&hosts[index]) {
            return Ok((index, slot));
        }
    }
    let full = (0..hosts.len()).any(|i| up(i) && !room(i) && !tried.has(i));
    Err(if full { ProxyError::Busy } else { ProxyError::NoHost })
}

/// Of those that are open: the one the request comes from, else one that did not fail just now
/// and is warm, else any.
fn choose(
    rule: &Rule,
    hosts: &Set,
    req: &Request,
    (tried, open): (&Tried, &dyn Fn(usize) -> bool),
) -> Option<usize> {
    let own = affinity::host(hosts, &req.peer);
    if let Some(index) =
        own.or_else(|| rule.policy.sticky_host(hosts, req)).filter(|index| open(*index))
    {
        return Some(index);
    }
    if tried.any() {
        let well = |i: usize| open(i) && !hosts[i].state.is_suspect();
        if let Some(index) = rule.policy.choose(hosts, req, &well) {
            return Some(index);
        }
    }
    if !rule.slow_start.is_zero() && rule.policy.spreads() {
        // Drawn once for each host, so that it stays what it is while the policy looks.
        let drawn = fastrand::u64(..);
        let has_share = |i: usize| {
            let lot = f64::from((drawn ^ hosts[i].seed) as u32) / f64::from(u32::MAX);
            open(i) && lot <= hosts[i].state.slow_start_fraction(rule.slow_start).max(LEAST_SHARE)
        };
        if let Some(index) = rule.policy.choose(hosts, req, &has_share) {
            return Some(index);
        }
    }
    rule.policy.choose(hosts, req, open)
}

fn answered(
    rule: &Rule,
    host: &Upstream,
    req: &mut Request,
    response: &mut Response<Body>,
    started: Instant,
) {
    host.state.answered();
    req.upstream = Some(host.name.clone());
    if rule.rewrite_location {
        let (without, upstream_headers) = (&rule.exchange.without, &rule.exchange.upstream_headers);
        let places = Places { upstream: host, without, upstream_headers, req };
        places.reverse(response.headers_mut());
    }
    if !rule.downstream_headers.is_empty() {
        let before = response.headers().clone();
        let facts = ResponseFacts {
            status: response.status().as_u16(),
            size: 0,
            latency: started.elapsed(),
            headers: &before,
        };
        header_rules::apply(&rule.downstream_headers, response.headers_mut(), req, Some(&facts));
        if rule.downstream_headers.iter().any(|rule| rule.removes(&ALT_SVC)) {
            // Our own field names the same thing; `Server` is `header`'s to remove.
            Removed::note(&mut req.head.extensions, &ALT_SVC);
        }
    }
    rule.policy.set_cookie(host, req, response.headers_mut());
}

#[cfg(test)]
mod tests;
