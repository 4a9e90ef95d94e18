//! Idle connections of one worker, kept by what they lead to.

use std::cell::{Cell, RefCell};
use std::hash::Hash;
use std::thread::LocalKey;

use fnv::FnvHashMap;
use tokio::time::Instant;

use crate::limits::UPSTREAM_IDLE;
use crate::net::descriptors;

/// A connection without a request.
pub trait Idle {
    /// When it last moved.
    fn since(&self) -> Instant;

    /// Whether it may carry another request; `certainly` asks the kernel, at a system call.
    fn reusable(&mut self, certainly: bool) -> bool;
}

/// The idle connections, the newest used first. `K` names what a connection leads to and all
/// that it depends on, so that a pool outlives a reload.
pub struct Pool<K, C> {
    /// Keys come from configurations: nobody else could make them collide.
    idle: RefCell<FnvHashMap<K, Vec<C>>>,
    sweeping: Cell<bool>,
    /// Whether it is emptied where no descriptor is left.
    listed: Cell<bool>,
}

impl<K, C> Default for Pool<K, C> {
    fn default() -> Self {
        Self { idle: RefCell::default(), sweeping: Cell::default(), listed: Cell::default() }
    }
}

impl<K: Hash + Eq, C: Idle> Pool<K, C> {
    /// A usable idle connection; `certainly` open at a system call's cost.
    pub fn take(&self, key: &K, certainly: bool, now: Instant) -> Option<C> {
        let mut pool = self.idle.borrow_mut();
        let idle = pool.get_mut(key)?;
        while let Some(mut conn) = idle.pop() {
            if now.saturating_duration_since(conn.since()) >= UPSTREAM_IDLE {
                idle.clear();
                return None;
            }
            if conn.reusable(certainly) {
                return Some(conn);
            }
        }
        None
    }

    /// Keeps a connection whose exchange is over, at most `limit` of them.
    pub fn give(&self, key: K, conn: C, limit: usize) {
        let mut pool = self.idle.borrow_mut();
        let idle = pool.entry(key).or_default();
        if idle.len() < limit {
            idle.push(conn);
        }
    }

    /// How many are kept for `key`.
    #[cfg(test)]
    pub(crate) fn count(&self, key: &K) -> usize {
        self.idle.borrow().get(key).map_or(0, Vec::len)
    }

    /// Drops what is idle for too long or closed; whether none is left.
    fn clean(&self) -> bool {
        let mut pool = self.idle.borrow_mut();
        pool.retain(|_, idle| {
            idle.retain_mut(|conn| conn.since().elapsed() < UPSTREAM_IDLE && conn.reusable(false));
            !idle.is_empty()
        });
        pool.is_empty()
    }

    /// Makes sure that connections idle for too long get closed. Called with each new one.
    pub fn sweep(pool: &'static LocalKey<Self>) {
        if !pool.with(|pool| pool.listed.replace(true)) {
            let empty = move || drop(pool.with(|pool| pool.idle.take()));
            descriptors::when_none_left(empty);
        }
        if pool.with(|pool| pool.sweeping.replace(true)) {
            return;
        }
        let sweeping = Sweeping(pool);
        tokio::task::spawn_local(async move {
            let sweeping = sweeping;
            loop {
                tokio::time::sleep(UPSTREAM_IDLE / 4).await;
                if sweeping.0.with(Self::clean) {
                    return;
                }
            }
        });
    }
}

/// Says so when a sweep ends, by itself or with its runtime.
struct Sweeping<K: 'static, C: 'static>(&'static LocalKey<Pool<K, C>>);

impl<K, C> Drop for Sweeping<K, C> {
    fn drop(&mut self) {
        let _ = self.0.try_with(|pool| pool.sweeping.set(false));
    }
}
