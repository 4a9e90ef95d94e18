//! Pools of idle connections, per worker and keyed by destination.

use std::cell::{Cell, RefCell};
use std::hash::Hash;
use std::thread::LocalKey;

use fnv::FnvHashMap;
use tokio::time::Instant;

use crate::limits::UPSTREAM_IDLE;
use crate::net::descriptors;

/// A idle connection, HTTP/1.1 and HTTP/2.
pub trait Idle {
    /// The time of its last activity.
    fn since(&self) -> Instant;

    /// Whether it can carry another request; `certainly` checks the socket, with a system call.
    fn reusable(&mut self, certainly: bool) -> bool;
}

/// Idle connections, reused in LIFO order. `K` identifies the destination and all settings of a
/// connection, so that a pool survives a reload.
pub struct Pool<K, C> {
    /// Keys come from configurations only, so FNV is safe against collisions.
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
    /// Takes a usable idle connection; `certainly` checks the socket, with a system call.
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

    /// Returns a connection to the pool, which keeps at most `limit` per key.
    pub fn give(&self, key: K, conn: C, limit: usize) {
        let mut pool = self.idle.borrow_mut();
        let idle = pool.entry(key).or_default();
        if idle.len() < limit {
            idle.push(conn);
        }
    }

    /// The number of connections for `key`.
    #[cfg(test)]
    pub(crate) fn count(&self, key: &K) -> usize {
        self.idle.borrow().get(key).map_or(0, Vec::len)
    }

    /// Drops expired and closed connections; returns whether the pool is empty.
    fn clean(&self) -> bool {
        let mut pool = self.idle.borrow_mut();
        pool.retain(|_, idle| {
            idle.retain_mut(|conn| conn.since().elapsed() < UPSTREAM_IDLE && conn.reusable(false));
            !idle.is_empty()
        });
        pool.is_empty()
    }

    /// Starts the task that closes expired connections, unless it runs. Called for each new one.
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

/// Marks the end of the sweep task when it is dropped.
struct Sweeping<K: 'static, C: 'static>(&'static LocalKey<Pool<K, C>>);

impl<K, C> Drop for Sweeping<K, C> {
    fn drop(&mut self) {
        let _ = self.0.try_with(|pool| pool.sweeping.set(false));
    }
}
