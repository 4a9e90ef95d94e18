//! Where a request goes: the addresses written in the Caddyfile, and what all workers and all
//! generations of the configuration know about each of them.

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
use crate::upstream::{Host, Name, Shared};

/// One upstream as the Caddyfile names it.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    /// For logs and `{upstream}`; without credentials.
    pub(crate) name: Arc<str>,
    pub(crate) target: Target,
    pub(crate) versions: Versions,
    /// What `Host` says upstream.
    pub(crate) host_field: HeaderValue,
    /// Base path put before the request's, and query put before its query.
    pub(crate) base_path: String,
    pub(crate) base_query: String,
    /// From `user:pass@`; sent when the client has no `Authorization` of its own.
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) state: Arc<State>,
    /// Set where it is checked.
    pub(crate) health: Option<Arc<Health>>,
    pub(crate) weight: u32,
    /// Of an SRV record: the lowest first.
    pub(crate) priority: u16,
    /// What it draws its lots with.
    pub(crate) seed: u64,
    /// What the cookie of `policy cookie` holds for it.
    pub(crate) tag: Box<str>,
}

impl Upstream {
    pub(crate) fn new(name: &str, target: Target, state: Arc<State>) -> Self {
        Self {
            name: name.into(),
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
            seed: digest::hash(name.as_bytes()),
            tag: Box::default(),
        }
    }

    /// The name that has to be resolved to reach it.
    pub(crate) fn named(&self) -> Option<&Arc<Name>> {
        match &self.target {
            Target::Tcp { at: Host::Name(name), .. } => Some(name),
            _ => None,
        }
    }
}

/// The versions of HTTP that an upstream may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versions {
    Http1,
    Http2,
    /// As ALPN chooses.
    Either,
}

/// What to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `host` is whom the certificate of a TLS upstream must name, `at` where it is found.
    Tcp {
        host: String,
        at: Host,
        port: u16,
        tls: bool,
    },
    Unix(PathBuf),
}

/// An upstream's counters. They outlive a reload.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Names the upstream in the workers' pools; never used twice.
    pub(crate) id: u64,
    fails: AtomicUsize,
    conns: AtomicUsize,
    /// The last request failed.
    suspect: AtomicBool,
    /// When it recovered, in milliseconds of [`now`]; 0: it was never down.
    recovered: AtomicU64,
    /// A place was freed, of `max_conns`.
    pub(crate) freed: Notify,
    /// How many wait for one.
    pub(crate) waiting: AtomicUsize,
}

/// When failures take an upstream out of its turn: `max_fails` and `fail_timeout`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tolerance {
    pub(crate) fails: usize,
    /// How long each counts; 0: they do not.
    pub(crate) timeout: Duration,
}

impl State {
    pub(crate) fn fails(&self) -> usize {
        self.fails.load(Ordering::Relaxed)
    }

    pub(crate) fn conns(&self) -> usize {
        self.conns.load(Ordering::Relaxed)
    }

    /// Takes one of `max` places (0: without limit) for a request in flight.
    pub(crate) fn acquire(self: &Arc<Self>, max: usize) -> Option<Slot> {
        self.conns
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                (max == 0 || n < max).then_some(n + 1)
            })
            .ok()
            .map(|_| Slot(Some(self.clone())))
    }

    /// Whether the last request failed, so that another is not sent there lightly.
    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    pub(crate) fn answered(&self) {
        // Mostly it is as it was, and workers do not write to the same place.
        if self.is_suspect() {
            self.suspect.store(false, Ordering::Relaxed);
        }
    }

    /// Counts a failure for as long as it matters. A change that follows from it is logged with
    /// the site that has met it, and the upstream's name.
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
            let (fails, timeout) = (limit.fails, limit.timeout);
            let why = display_chain(error);
            log::warn!("{site}: upstream {name} is down: {fails} failed within {timeout:?}: {why}");
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

    /// Notes that it accepts requests again, and wakes those that wait for a place.
    pub(crate) fn mark_recovered(&self) {
        self.recovered.store(now().max(1), Ordering::Relaxed);
        self.freed.notify_waiters();
    }

    /// The fraction of its share that it gets `whole` long after it has recovered: from 0.0, and
    /// 1.0 or more once that time is over.
    pub(crate) fn slow_start_fraction(&self, whole: Duration) -> f64 {
        let recovered_at = self.recovered.load(Ordering::Relaxed);
        if recovered_at == 0 || whole.is_zero() {
            return 1.0;
        }
        now().saturating_sub(recovered_at) as f64 / whole.as_millis().max(1) as f64
    }
}

/// Milliseconds on a clock of the process.
fn now() -> u64 {
    static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
    EPOCH.elapsed().as_millis() as u64
}

/// A request in flight to an upstream; its place is free again when this is dropped. Where
/// nobody counts it holds nothing, so that workers do not meet at a counter.
#[derive(Debug, Default)]
pub(crate) struct Slot(Option<Arc<State>>);

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(state) = &self.0 {
            // Not relaxed: who begins to wait either sees the free place or is seen here.
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
            log::info!("{}: upstream {} has its turn again", self.site, self.name);
            self.state.mark_recovered();
        }
    }
}

static STATES: Shared<State> = Shared::new();
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The state of an upstream, the same one for as long as any configuration names it.
/// `identity` holds all that a connection depends on: target and TLS settings.
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
