//! Idle upstream connections of this worker. They are keyed by the upstream's identity, so they
//! outlive a reload that keeps the upstream; the newest is used first.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use tokio::time::Instant;

use super::conn::Conn;
use crate::http::limits::UPSTREAM_IDLE;

thread_local! {
    #[allow(clippy::vec_box, reason = "a connection goes in and out as a pointer")]
    static POOL: RefCell<HashMap<u64, Vec<Box<Conn>>>> = RefCell::new(HashMap::new());
    static SWEEPING: Cell<bool> = const { Cell::new(false) };
}

/// A usable idle connection of an upstream; `certainly` open at a system call's cost.
pub(super) fn take(upstream: u64, certainly: bool, now: Instant) -> Option<Box<Conn>> {
    POOL.with_borrow_mut(|pool| {
        let idle = pool.get_mut(&upstream)?;
        while let Some(mut conn) = idle.pop() {
            if now.saturating_duration_since(conn.patience.since()) >= UPSTREAM_IDLE {
                idle.clear();
                return None;
            }
            if conn.reusable(certainly) {
                return Some(conn);
            }
        }
        None
    })
}

/// Keeps a connection whose exchange is over, at most `limit` of them.
pub(super) fn give(upstream: u64, conn: Box<Conn>, limit: usize) {
    // A body may end while its thread is being torn down; then there is no pool any more.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        let idle = pool.entry(upstream).or_default();
        if idle.len() < limit {
            idle.push(conn);
        }
    });
}

/// Makes sure that connections idle for too long get closed. Called with each new connection.
pub(super) fn sweep() {
    if SWEEPING.replace(true) {
        return;
    }
    let sweeping = Sweeping;
    tokio::task::spawn_local(async move {
        let _sweeping = sweeping;
        loop {
            tokio::time::sleep(UPSTREAM_IDLE / 4).await;
            if POOL.with_borrow_mut(|pool| {
                pool.retain(|_, idle| {
                    idle.retain_mut(|conn| {
                        conn.patience.since().elapsed() < UPSTREAM_IDLE && conn.reusable(false)
                    });
                    !idle.is_empty()
                });
                pool.is_empty()
            }) {
                return;
            }
        }
    });
}

/// Idle connections of an upstream in this worker.
#[cfg(test)]
pub(super) fn idle(upstream: u64) -> usize {
    POOL.with_borrow(|pool| pool.get(&upstream).map_or(0, Vec::len))
}

struct Sweeping;

impl Drop for Sweeping {
    fn drop(&mut self) {
        let _ = SWEEPING.try_with(|sweeping| sweeping.set(false));
    }
}
