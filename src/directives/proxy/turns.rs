//! Whose turn it is: which upstream gets a request, and when another one is tried.

use std::time::Duration;

use http::{Method, Response, StatusCode};
use tokio::time::{Instant, sleep};

use super::attempt::{Outcome, attempt};
use super::error::ProxyError;
use super::own;
use super::payload::Payload;
use super::reverse::Places;
use super::rule::Rule;
use super::rules;
use super::upstream::Slot;
use crate::http::placeholders::ResponseFacts;
use crate::http::response::NeedsHttp1;
use crate::http::{Body, Fault, Reply, Request};

/// Answers a request by one of the rule's upstreams.
pub(super) async fn serve(rule: &Rule, req: &mut Request) -> Reply {
    // A tunnel is nothing an upstream of a site can be asked for.
    if req.head.method == Method::CONNECT {
        return Err(Fault::status(StatusCode::METHOD_NOT_ALLOWED));
    }
    let started = Instant::now();
    let mut payload = payload(rule, req).await?;
    let mut tried = Tried::default();
    loop {
        let error = match pick(rule, req, &tried) {
            Some((index, slot)) => {
                let host = &rule.hosts[index];
                match attempt(rule, host, req, &mut payload, slot).await {
                    Outcome::Answered(mut response) => {
                        req.upstream = Some(host.name.clone());
                        if rule.rewrite_location {
                            let places = Places { upstream: host, without: &rule.without, req };
                            places.reverse(response.headers_mut());
                        }
                        downstream(rule, req, &mut response, started);
                        return Ok(response);
                    }
                    Outcome::Failed { error, again } => {
                        if matches!(error, ProxyError::NeedsHttp1) {
                            req.head.extensions.insert(NeedsHttp1);
                        }
                        if !error.by_client() {
                            host.state.fail(rule.fail_timeout);
                        }
                        if !again || !payload.available() {
                            return Err(error.at(&host.name).into());
                        }
                        tried.add(index);
                        error.at(&host.name)
                    }
                }
            }
            None => ProxyError::NoHost,
        };
        if started.elapsed() >= rule.try_duration {
            return Err(error.into());
        }
        if tried.covers(rule.hosts.len()) || matches!(error, ProxyError::NoHost) {
            tried = Tried::default();
            // An interval of nothing would spin while all are down.
            sleep(rule.try_interval.max(Duration::from_millis(1))).await;
        }
    }
}

/// Takes the body off the request; it is kept in memory only where another host may need it.
async fn payload(rule: &Rule, req: &mut Request) -> Result<Payload, ProxyError> {
    if let Some(upgrade) = &mut req.upgrade {
        return Ok(Payload::new(std::mem::take(&mut upgrade.incoming)));
    }
    let body = std::mem::take(&mut req.body);
    if rule.hosts.len() > 1 && !rule.try_duration.is_zero() {
        return Box::pin(Payload::keep(body)).await;
    }
    Ok(Payload::new(body))
}

/// Chooses an available upstream, one not tried in this round if there is any, and takes a place
/// on it.
pub(super) fn pick(rule: &Rule, req: &Request, tried: &Tried) -> Option<(usize, Slot)> {
    let open = |i: usize| {
        let state = &rule.hosts[i].state;
        state.fails() < rule.max_fails && (rule.max_conns == 0 || state.conns() < rule.max_conns)
    };
    let fresh = |i: usize| open(i) && !tried.has(i);
    if let Some(own) = own::host(&rule.hosts, &req.peer).filter(|own| fresh(*own))
        && let Some(slot) = rule.take_place(own)
    {
        return Some((own, slot));
    }
    for _ in 0..rule.hosts.len() {
        let chosen = rule.policy.choose(&rule.hosts, req, &fresh);
        let index = match chosen {
            None if tried.any() => rule.policy.choose(&rule.hosts, req, &open)?,
            chosen => chosen?,
        };
        // Another worker may have taken the last place in between.
        if let Some(slot) = rule.take_place(index) {
            return Some((index, slot));
        }
    }
    None
}

fn downstream(rule: &Rule, req: &Request, response: &mut Response<Body>, started: Instant) {
    if rule.downstream_headers.is_empty() {
        return;
    }
    let before = response.headers().clone();
    let facts = ResponseFacts {
        status: response.status().as_u16(),
        size: 0,
        latency: started.elapsed(),
        headers: &before,
    };
    rules::apply(&rule.downstream_headers, response.headers_mut(), req, Some(&facts));
}

/// Which upstreams failed since the last pause; beyond 64 they are not told apart.
#[derive(Debug, Default)]
pub(super) struct Tried(u64);

impl Tried {
    fn add(&mut self, index: usize) {
        self.0 |= 1u64.checked_shl(index as u32).unwrap_or(0);
    }

    fn has(&self, index: usize) -> bool {
        self.0 & 1u64.checked_shl(index as u32).unwrap_or(0) != 0
    }

    fn any(&self) -> bool {
        self.0 != 0
    }

    fn covers(&self, count: usize) -> bool {
        self.0.count_ones() as usize >= count.min(64)
    }
}
