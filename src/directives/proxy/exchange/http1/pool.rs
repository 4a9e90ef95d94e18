//! Idle upstream connections of this worker, keyed by the upstream's identity.

use tokio::time::Instant;

use super::connection::Conn;
use crate::upstream::{Idle, Pool};

thread_local! {
    static POOL: Pool<u64, Box<Conn>> = Pool::default();
}

impl Idle for Box<Conn> {
    fn since(&self) -> Instant {
        self.patience.since()
    }

    fn reusable(&mut self, certainly: bool) -> bool {
        self.is_reusable(certainly)
    }
}

/// A usable idle connection of an upstream; `certainly` open at a system call's cost.
pub(crate) fn take(upstream: u64, certainly: bool, now: Instant) -> Option<Box<Conn>> {
    POOL.with(|pool| pool.take(&upstream, certainly, now))
}

/// Keeps a connection whose exchange is over, at most `limit` of them.
pub(crate) fn give(upstream: u64, conn: Box<Conn>, limit: usize) {
    // A body may end while its thread is being torn down; then there is no pool any more.
    let _ = POOL.try_with(|pool| pool.give(upstream, conn, limit));
}

/// Makes sure that connections idle for too long get closed. Called with each new connection.
pub(crate) fn sweep() {
    Pool::sweep(&POOL);
}

/// Idle connections of an upstream in this worker.
#[cfg(test)]
pub(crate) fn idle(upstream: u64) -> usize {
    POOL.with(|pool| pool.count(&upstream))
}
