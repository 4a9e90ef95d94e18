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

/// Takes a usable idle connection; `certainly` checks the socket, with a system call.
pub(crate) fn take(upstream: u64, certainly: bool, now: Instant) -> Option<Box<Conn>> {
    POOL.with(|pool| pool.take(&upstream, certainly, now))
}

/// Returns a connection to the pool, which keeps at most `limit` per upstream.
pub(crate) fn give(upstream: u64, conn: Box<Conn>, limit: usize) {
    // A body may end while its thread shuts down and the pool is gone.
    let _ = POOL.try_with(|pool| pool.give(upstream, conn, limit));
}

/// Starts the task that closes expired connections, unless it runs. Called for each new one.
pub(crate) fn sweep() {
    Pool::sweep(&POOL);
}

/// Idle connections of an upstream in this worker.
#[cfg(test)]
pub(crate) fn idle(upstream: u64) -> usize {
    POOL.with(|pool| pool.count(&upstream))
}
