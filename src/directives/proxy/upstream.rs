//! Where a request goes: the addresses written in the Caddyfile, and what all workers and all
//! generations of the configuration know about each of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http::HeaderValue;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One upstream as the Caddyfile names it.
#[derive(Debug, Clone)]
pub(super) struct Upstream {
    /// For logs and `{upstream}`; without credentials.
    pub(super) name: Arc<str>,
    pub(super) target: Target,
    pub(super) versions: Versions,
    /// What `Host` says upstream.
    pub(super) host_field: HeaderValue,
    /// Base path put before the request's, and query put before its query.
    pub(super) base_path: String,
    pub(super) base_query: String,
    /// From `user:pass@`; sent when the client has no `Authorization` of its own.
    pub(super) authorization: Option<HeaderValue>,
    pub(super) state: Arc<State>,
}

/// The versions of HTTP that an upstream may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versions {
    Http1,
    Http2,
    /// As ALPN chooses.
    Either,
}

/// What to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Tcp { host: String, port: u16, tls: bool },
    Unix(PathBuf),
}

/// An upstream's counters. They outlive a reload.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Names the upstream in the workers' pools; never used twice.
    pub(super) id: u64,
    fails: AtomicUsize,
    conns: AtomicUsize,
    /// Where its name last led, for when it cannot be resolved.
    pub(super) last_addresses: Mutex<Vec<SocketAddr>>,
}

impl State {
    pub(super) fn fails(&self) -> usize {
        self.fails.load(Ordering::Relaxed)
    }

    pub(super) fn conns(&self) -> usize {
        self.conns.load(Ordering::Relaxed)
    }

    /// Takes one of `max` places (0: without limit) for a request in flight.
    pub(super) fn acquire(self: &Arc<Self>, max: usize) -> Option<Slot> {
        self.conns
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                (max == 0 || n < max).then_some(n + 1)
            })
            .ok()
            .map(|_| Slot(Some(self.clone())))
    }

    /// Counts a failure for as long as `timeout`.
    pub(super) fn fail(self: &Arc<Self>, timeout: Duration) {
        if timeout.is_zero() {
            return;
        }
        self.fails.fetch_add(1, Ordering::Relaxed);
        let failure = Failure(self.clone());
        tokio::task::spawn_local(async move {
            tokio::time::sleep(timeout).await;
            drop(failure);
        });
    }
}

/// A request in flight to an upstream; its place is free again when this is dropped. Where
/// nobody counts it holds nothing, so that workers do not meet at a counter.
#[derive(Debug, Default)]
pub(super) struct Slot(Option<Arc<State>>);

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(state) = &self.0 {
            state.conns.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

struct Failure(Arc<State>);

impl Drop for Failure {
    fn drop(&mut self) {
        self.0.fails.fetch_sub(1, Ordering::Relaxed);
    }
}

static STATES: Mutex<Option<HashMap<String, Weak<State>>>> = Mutex::new(None);
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The state of an upstream, the same one for as long as any configuration names it.
/// `identity` holds all that a connection depends on: target and TLS settings.
pub(super) fn shared_state(identity: String) -> Arc<State> {
    let mut states = STATES.lock().unwrap_or_else(PoisonError::into_inner);
    let states = states.get_or_insert_with(HashMap::new);
    if let Some(state) = states.get(&identity).and_then(Weak::upgrade) {
        return state;
    }
    states.retain(|_, state| state.strong_count() > 0);
    let state = Arc::new(State { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), ..State::default() });
    states.insert(identity, Arc::downgrade(&state));
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_outlives_a_generation_but_not_all() {
        let first = shared_state("state-test".into());
        let second = shared_state("state-test".into());
        assert!(Arc::ptr_eq(&first, &second));
        let id = first.id;
        drop((first, second));
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
}
