//! Idle upstream connections of this worker. They are keyed by the upstream's identity, so they
//! outlive a reload that keeps the upstream; the newest is used first.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::http::Body;
use crate::http::limits::UPSTREAM_IDLE;

/// A connection and the task that drives it. Dropping it closes the connection at once, whatever
/// is on its way: that is how a request is cancelled.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) sender: SendRequest<Body>,
    pub(super) _driver: AbortOnDropHandle<()>,
}

struct Idle {
    conn: Conn,
    since: Instant,
}

thread_local! {
    static POOL: RefCell<HashMap<u64, Vec<Idle>>> = RefCell::new(HashMap::new());
    static SWEEPING: Cell<bool> = const { Cell::new(false) };
}

/// A usable idle connection of an upstream.
pub(super) fn take(upstream: u64) -> Option<Conn> {
    POOL.with_borrow_mut(|pool| {
        let idle = pool.get_mut(&upstream)?;
        while let Some(Idle { conn, since }) = idle.pop() {
            if since.elapsed() >= UPSTREAM_IDLE {
                idle.clear();
                return None;
            }
            if conn.sender.is_ready() {
                return Some(conn);
            }
        }
        None
    })
}

/// Keeps a connection whose exchange is over, at most `limit` of them. One that is not ready has
/// bytes of the last exchange left on it and is closed.
pub(super) fn give(upstream: u64, conn: Conn, limit: usize) {
    if !conn.sender.is_ready() {
        return;
    }
    // A body may end while its thread is being torn down; then there is no pool any more.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        let idle = pool.entry(upstream).or_default();
        if idle.len() < limit {
            idle.push(Idle { conn, since: Instant::now() });
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
                    idle.retain(|i| i.since.elapsed() < UPSTREAM_IDLE && i.conn.sender.is_ready());
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
