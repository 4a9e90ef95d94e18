//! The queue for requests when every upstream has reached `max_conns`: bounded in length and time,
//! first in, first out. A request waits only for the upstreams that it may use, and another one
//! does not wait behind it for the rest.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::select_all;
use tokio::time::{Instant, timeout_at};

use super::ahead::Ahead;
use super::retry::Tried;
use super::select::Selector;
use crate::upstream::host::error::ProxyError;
use crate::upstream::host::upstream::{Slot, Upstream};

/// `queue N [TIMEOUT]`.
#[derive(Debug)]
pub(crate) struct Queue {
    limit: usize,
    timeout: Duration,
    waiting: AtomicUsize,
    /// How many of them wait for each upstream, by the ID of its state.
    by_host: Mutex<BTreeMap<u64, usize>>,
}

impl Queue {
    pub(crate) fn new(limit: usize, timeout: Duration) -> Self {
        Self { limit, timeout, waiting: AtomicUsize::new(0), by_host: Mutex::default() }
    }

    /// The upstreams that requests wait for.
    pub(crate) fn ahead(&self) -> Ahead {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return Ahead::default();
        }
        Ahead::of(&self.by_host())
    }

    /// Waits until `take` returns something other than [`ProxyError::Busy`]. `take` leaves out the
    /// upstreams that others wait for.
    pub(crate) async fn wait(
        &self,
        selector: &Selector<'_>,
        tried: &Tried,
        take: impl Fn(&Ahead) -> Result<(usize, Slot), ProxyError>,
    ) -> Result<(usize, Slot), ProxyError> {
        let untried = selector.hosts.iter().enumerate().filter(|(index, _)| !tried.has(*index));
        let hosts: Vec<&Upstream> = untried.map(|(_, host)| host).collect();
        let (mut waiting, mut ahead) = Waiting::join(self, selector, &hosts)?;
        // From here on, a place that is freed is either seen here or notified.
        fence(Ordering::SeqCst);
        let deadline = Instant::now() + self.timeout;
        let notified = hosts.iter().map(|host| Box::pin(host.state.freed.notified()));
        let mut notified: Vec<_> = notified.collect();
        // Registered before the check, so that no notification is missed.
        for one in &mut notified {
            if one.as_mut().enable() {
                ahead = Ahead::default();
            }
        }
        // The upstream of its one notification.
        let mut told = None;
        loop {
            match take(&ahead) {
                Err(ProxyError::Busy) => {}
                Ok((index, slot)) => {
                    let freed = told.map(|which: usize| hosts[which].state.id);
                    waiting.passes_on = freed != Some(selector.hosts[index].state.id);
                    return Ok((index, slot));
                }
                Err(error) => return Err(error),
            }
            ahead = Ahead::default();
            if notified.is_empty() {
                return Err(ProxyError::QueueTimeout);
            }
            let freed = select_all(notified.iter_mut());
            let Ok(((), which, _)) = timeout_at(deadline, freed).await else {
                return Err(ProxyError::QueueTimeout);
            };
            // It keeps its turn at the others.
            notified[which].set(hosts[which].state.freed.notified());
            told = (!notified[which].as_mut().enable()).then_some(which);
        }
    }

    fn by_host(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        self.by_host.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in the queue: counted there and at each upstream that it waits for.
struct Waiting<'a> {
    queue: &'a Queue,
    selector: &'a Selector<'a>,
    hosts: &'a [&'a Upstream],
    /// Whether others are notified of free places when it leaves. Not if it leaves with the place
    /// that it was notified of.
    passes_on: bool,
}

impl<'a> Waiting<'a> {
    /// Joins the queue; returns also the upstreams that others wait for.
    fn join(
        queue: &'a Queue,
        selector: &'a Selector<'a>,
        hosts: &'a [&'a Upstream],
    ) -> Result<(Self, Ahead), ProxyError> {
        if queue.waiting.fetch_add(1, Ordering::Relaxed) >= queue.limit {
            queue.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(ProxyError::QueueFull);
        }
        let mut by_host = queue.by_host();
        let ahead = Ahead::of(&by_host);
        for host in hosts {
            *by_host.entry(host.state.id).or_default() += 1;
            host.state.waiting.fetch_add(1, Ordering::SeqCst);
        }
        Ok((Self { queue, selector, hosts, passes_on: true }, ahead))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut by_host = self.queue.by_host();
        for host in self.hosts {
            if let Some(count) = by_host.get_mut(&host.state.id) {
                *count -= 1;
                if *count == 0 {
                    by_host.remove(&host.state.id);
                }
            }
        }
        drop(by_host);
        self.queue.waiting.fetch_sub(1, Ordering::Relaxed);
        for host in self.hosts {
            let others = host.state.waiting.fetch_sub(1, Ordering::SeqCst) - 1;
            // Others have waited behind it, and nobody may be notified of these places.
            if self.passes_on {
                let free = self.selector.free(host).min(others);
                (0..free).for_each(|_| host.state.freed.notify_one());
            }
        }
    }
}
