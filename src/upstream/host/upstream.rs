//! An upstream as the Caddyfile defines it, and its state, which all workers and successive
//! configurations share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::digest;
use super::error::ProxyError;
use super::health::Health;
use crate::error_chain::display_chain;
use crate::metrics::{UpstreamNumber, UpstreamTraffic};
use crate::upstream::{Host, Name, Shared};

/// One upstream of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    /// For logs and `{upstream}`; without credentials.
    pub(crate) name: Arc<str>,
    /// What its requests are counted by.
    pub(crate) number: UpstreamNumber,
    pub(crate) target: Target,
    pub(crate) versions: Versions,
    /// The Host field of requests to it.
    pub(crate) host_field: HeaderValue,
    /// Base path and query, prepended to those of the request.
    pub(crate) base_path: String,
    pub(crate) base_query: String,
    /// From `user:pass@`; sent when the client sends no `Authorization`.
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) state: Arc<State>,
    /// Set if it has a health check.
    pub(crate) health: Option<Arc<Health>>,
    pub(crate) weight: u32,
    /// The priority of its SRV record: the lowest is used first.
    pub(crate) priority: u16,
    /// The seed of its scores in rendezvous hashing and slow start.
    pub(crate) seed: u64,
    /// Its value in the cookie of `policy cookie`.
    pub(crate) tag: Box<str>,
}

impl Upstream {
    pub(crate) fn new(name: &str, target: Target, state: Arc<State>) -> Self {
        let seed = digest::hash(name.as_bytes());
        let name = Arc::from(name);
        Self {
            number: UpstreamNumber::of(&name),
            name,
            target,
            versions: Versions::Http1,
            host_field: HeaderValue::from_static("socket"),
            base_path: String::new(),
            base_query: String::new(),
            authorization: None,
            state,
            health: None,
            weight: 1,
            priority: 0,
            seed,
            tag: Box::default(),
        }
    }

    /// The DNS name to resolve.
    pub(crate) fn named(&self) -> Option<&Arc<Name>> {
        match &self.target {
            Target::Tcp { at: Host::Name(name), .. } => Some(name),
            _ => None,
        }
    }
}

/// The HTTP versions used with an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versions {
    Http1,
    Http2,
    /// The version that ALPN selects.
    Either,
}

/// The address to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `host` is the name in the certificate of a TLS upstream, `at` its address.
    Tcp {
        host: String,
        at: Host,
        port: u16,
        tls: bool,
    },
    Unix(PathBuf),
}

/// The counters of an upstream. They survive a reload.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The key in the workers' pools; never reused.
    pub(crate) id: u64,
    fails: AtomicUsize,
    conns: AtomicUsize,
    /// The last request failed.
    suspect: AtomicBool,
    /// When it recovered, in milliseconds of [`now`]; 0: never.
    recovered: AtomicU64,
    /// Notified when a place of `max_conns` becomes free.
    pub(crate) freed: Notify,
    /// The number of requests that wait for a place.
    pub(crate) waiting: AtomicUsize,
    /// How often `max_fails` was reached.
    ejections: AtomicU64,
}

/// When failures make an upstream unavailable: `max_fails` and `fail_timeout`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tolerance {
    pub(crate) fails: usize,
    /// How long a failure counts; 0: failures do not count.
    pub(crate) timeout: Duration,
}

impl State {
    pub(crate) fn fails(&self) -> usize {
        self.fails.load(Ordering::Relaxed)
    }

    pub(crate) fn conns(&self) -> usize {
        self.conns.load(Ordering::Relaxed)
    }

    /// Takes one of `max` places (0: no limit) for a request in flight.
    pub(crate) fn acquire(self: &Arc<Self>, max: usize) -> Option<Slot> {
        self.conns
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                (max == 0 || n < max).then_some(n + 1)
            })
            .ok()
            .map(|_| Slot { state: Some(self.clone()), traffic: None })
    }

    /// How often requests were kept away because of failures.
    pub(crate) fn ejections(&self) -> u64 {
        self.ejections.load(Ordering::Relaxed)
    }

    /// Whether the last request failed, so that other upstreams are preferred.
    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    pub(crate) fn answered(&self) {
        // Usually it does not change; no write avoids contention between workers.
        if self.is_suspect() {
            self.suspect.store(false, Ordering::Relaxed);
        }
    }

    /// Counts a failure for `limit.timeout`. A change of availability is logged with the names of
    /// the site and the upstream.
    pub(crate) fn fail(
        self: &Arc<Self>,
        site: &Arc<str>,
        name: &Arc<str>,
        error: &ProxyError,
        limit: Tolerance,
    ) {
        self.suspect.store(true, Ordering::Relaxed);
        if limit.timeout.is_zero() {
            return;
        }
        if self.fails.fetch_add(1, Ordering::Relaxed) + 1 == limit.fails {
            self.ejections.fetch_add(1, Ordering::Relaxed);
            let (fails, timeout) = (limit.fails, limit.timeout);
            let why = display_chain(error);
            log::warn!(
                "{site}: upstream {name} is down: max_fails {fails} reached in {timeout:?}: {why}"
            );
        }
        let failure = Failure {
            state: self.clone(),
            site: site.clone(),
            name: name.clone(),
            enough: limit.fails,
        };
        tokio::task::spawn_local(async move {
            tokio::time::sleep(limit.timeout).await;
            drop(failure);
        });
    }

    /// Records that it is available again, and wakes the requests that wait for a place.
    pub(crate) fn mark_recovered(&self) {
        self.recovered.store(now().max(1), Ordering::Relaxed);
        self.freed.notify_waiters();
    }

    /// The fraction of its share after a recovery: grows from 0.0 to 1.0 during `whole`, and may
    /// exceed 1.0 after that.
    pub(crate) fn slow_start_fraction(&self, whole: Duration) -> f64 {
        let recovered_at = self.recovered.load(Ordering::Relaxed);
        if recovered_at == 0 || whole.is_zero() {
            return 1.0;
        }
        now().saturating_sub(recovered_at) as f64 / whole.as_millis().max(1) as f64
    }
}

/// Milliseconds since the first call.
fn now() -> u64 {
    static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
    EPOCH.elapsed().as_millis() as u64
}

/// A request in flight to an upstream; dropping it frees the place. It has no place where places
/// are not counted, which avoids contention between workers.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    state: Option<Arc<State>>,
    traffic: Option<&'static UpstreamTraffic>,
}

impl Slot {
    /// Has the metrics count the request until the slot is dropped. `again`: it was tried before.
    pub(crate) fn count(&mut self, traffic: &'static UpstreamTraffic, again: bool) {
        traffic.begin(again);
        self.traffic = Some(traffic);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(traffic) = self.traffic {
            traffic.end();
        }
        if let Some(state) = &self.state {
            // Not relaxed: a new waiter either sees the free place or is seen here.
            state.conns.fetch_sub(1, Ordering::SeqCst);
            if state.waiting.load(Ordering::SeqCst) > 0 {
                state.freed.notify_one();
            }
        }
    }
}

struct Failure {
    state: Arc<State>,
    site: Arc<str>,
    name: Arc<str>,
    enough: usize,
}

impl Drop for Failure {
    fn drop(&mut self) {
        if self.state.fails.fetch_sub(1, Ordering::Relaxed) == self.enough {
            log::info!("{}: upstream {} is available again", self.site, self.name);
            self.state.mark_recovered();
        }
    }
}

static STATES: Shared<State> = Shared::new();
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The state of an upstream, shared for as long as a configuration uses it. `identity` holds
/// everything that a connection depends on: target and TLS settings.
pub(crate) fn shared_state(identity: String) -> Arc<State> {
    STATES
        .get(identity, || State { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), ..State::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_never_used_twice() {
        let first = shared_state("state-test".into());
        let id = first.id;
        assert_eq!(shared_state("state-test".into()).id, id);
        drop(first);
        assert_ne!(shared_state("state-test".into()).id, id);
    }

    #[test]
    fn places_are_limited_and_given_back() {
        let state = Arc::new(State::default());
        let one = state.acquire(1);
        assert!(one.is_some());
        assert!(state.acquire(1).is_none());
        assert!(state.acquire(0).is_some());
        drop(one);
        assert!(state.acquire(1).is_some());
        assert_eq!(state.conns(), 0);
    }

    #[test]
    fn a_host_that_comes_back_warms_up() {
        let state = State::default();
        let whole = Duration::from_secs(3600);
        assert!(state.slow_start_fraction(whole) >= 1.0);
        state.mark_recovered();
        assert!(state.slow_start_fraction(whole) < 0.01);
        assert!(state.slow_start_fraction(Duration::ZERO) >= 1.0);
    }
}
