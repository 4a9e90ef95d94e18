//! The loop over upstreams: chooses one for a request, tries it, and retries or responds.

use http::header::ALT_SVC;
use http::{Method, Response};
use tokio::time::Instant;

use crate::directives::proxy::balance::ahead::Ahead;
use crate::directives::proxy::balance::queue::Queue;
use crate::directives::proxy::balance::retry::{Retries, RetryLimits};
use crate::directives::proxy::location::Places;
use crate::directives::proxy::rule::Rule;
use crate::http::placeholders::ResponseFacts;
use crate::http::response::{NeedsHttp1, Removed};
use crate::http::{Body, Fault, Reply, Request};
use crate::metrics::WorkerMetrics;
use crate::upstream::exchange::affinity;
use crate::upstream::exchange::attempt::attempt;
use crate::upstream::exchange::outcome::{Attempt, Outcome, is_idempotent};
use crate::upstream::exchange::payload::Payload;
use crate::upstream::host::error::{Fate, ProxyError};
use crate::upstream::host::set::Set;
use crate::upstream::host::upstream::{Slot, Upstream};
use crate::upstream::rewrite::header_rules;

/// Has one of the rule's upstreams answer a request.
pub(crate) async fn serve(rule: &Rule, req: &mut Request) -> Reply {
    // CONNECT requests a tunnel, which an upstream of a site does not provide.
    if req.head.method == Method::CONNECT {
        return Err(Fault::not_allowed(Fault::METHODS));
    }
    req.peer.values.set_awaits_upstream(true);
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
            Ok((index, mut slot)) => {
                let host = &hosts[index];
                let traffic = WorkerMetrics::current().upstream(host.number);
                slot.count(traffic, retries.is_again());
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
                        error.failure().into_iter().for_each(|why| traffic.fail(why));
                        if matches!(error, ProxyError::NeedsHttp1) {
                            req.head.extensions.insert(NeedsHttp1);
                        }
                        if !error.by_client() {
                            host.state.fail(&rule.site, &host.name, &error, rule.tolerance);
                        }
                        if req.early_hints.as_ref().is_some_and(|hints| hints.are_sent()) {
                            // The next server has its own, and the client has acted on these.
                            req.early_hints = None;
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

/// Takes the body of the request; it is recorded only if it may be sent again: to another
/// upstream, on a new connection after a closed one, or after the upstream has refused it.
fn payload(rule: &Rule, req: &mut Request) -> Payload {
    if let Some(upgrade) = &mut req.upgrade {
        return Payload::new(std::mem::take(&mut upgrade.incoming));
    }
    let body = std::mem::take(&mut req.body);
    let again = is_idempotent(&req.head.method) || rule.may_be_refused();
    if again { Payload::keep(body) } else { Payload::new(body) }
}

/// Chooses an upstream and takes a place on it, if necessary after waiting in the queue.
async fn turn(
    rule: &Rule,
    hosts: &Set,
    req: &Request,
    retries: &Retries,
) -> Result<(usize, Slot), ProxyError> {
    let (selector, tried) = (rule.selector(hosts, req), &retries.tried);
    let take = |ahead: &Ahead| {
        let own = affinity::host(hosts, &req.peer);
        selector.place(own, tried, ahead)
    };
    let ahead = rule.queue.as_ref().map(Queue::ahead).unwrap_or_default();
    let (index, slot) = match (take(&ahead), &rule.queue) {
        (Err(ProxyError::Busy), Some(queue)) => {
            Box::pin(queue.wait(&selector, tried, take)).await?
        }
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
    if !rule.exchange.downstream_headers.is_empty() {
        let before = response.headers().clone();
        let facts = ResponseFacts {
            status: response.status().as_u16(),
            size: 0,
            latency: started.elapsed(),
            headers: &before,
        };
        header_rules::apply(
            &rule.exchange.downstream_headers,
            response.headers_mut(),
            req,
            Some(&facts),
        );
        if rule.exchange.downstream_headers.iter().any(|rule| rule.removes(&ALT_SVC)) {
            // The server's own Alt-Svc must not replace it; `Server` is removed by `header`.
            Removed::note(&mut req.head.extensions, &ALT_SVC);
        }
    }
    rule.policy.set_cookie(host, req, response.headers_mut());
}

#[cfg(test)]
mod tests;
