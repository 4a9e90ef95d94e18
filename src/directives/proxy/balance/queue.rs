//! The queue for requests when every upstream has reached `max_conns`: bounded in length and time,
//! first in, first out.

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::time::Duration;

use futures_util::future::select_all;
use tokio::time::{Instant, timeout_at};

use crate::upstream::host::error::ProxyError;
use crate::upstream::host::set::Set;

/// `queue N [TIMEOUT]`.
#[derive(Debug)]
pub(crate) struct Queue {
    limit: usize,
    timeout: Duration,
    waiting: AtomicUsize,
}

impl Queue {
    pub(crate) fn new(limit: usize, timeout: Duration) -> Self {
        Self { limit, timeout, waiting: AtomicUsize::new(0) }
    }

    /// Whether requests wait: then new ones must queue too.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits until `take` returns something other than [`ProxyError::Busy`].
    pub(crate) async fn wait<T>(
        &self,
        hosts: &Set,
        mut take: impl FnMut() -> Result<T, ProxyError>,
    ) -> Result<T, ProxyError> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting::new(&self.waiting, hosts);
        // From here on, a place that is freed is either seen here or notified.
        fence(Ordering::SeqCst);
        if before >= self.limit {
            return Err(ProxyError::QueueFull);
        }
        let deadline = Instant::now() + self.timeout;
        let mut behind_others = before > 0;
        loop {
            // Registered before the check, so that no notification is missed.
            let freed = hosts.iter().map(|host| Box::pin(host.state.freed.notified()));
            let freed: Vec<_> = freed.collect();
            if !std::mem::take(&mut behind_others) {
                match take() {
                    Err(ProxyError::Busy) => {}
                    taken => return taken,
                }
            }
            if freed.is_empty() || timeout_at(deadline, select_all(freed)).await.is_err() {
                return Err(ProxyError::QueueTimeout);
            }
        }
    }
}

/// Counts a waiting request in the queue and at each host while it lives.
struct Waiting<'a> {
    queue: &'a AtomicUsize,
    hosts: &'a Set,
}

impl<'a> Waiting<'a> {
    /// `queue` has counted it already.
    fn new(queue: &'a AtomicUsize, hosts: &'a Set) -> Self {
        hosts.iter().for_each(|host| {
            host.state.waiting.fetch_add(1, Ordering::SeqCst);
        });
        Self { queue, hosts }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.queue.fetch_sub(1, Ordering::Relaxed);
        self.hosts.iter().for_each(|host| {
            host.state.waiting.fetch_sub(1, Ordering::SeqCst);
        });
    }
}
