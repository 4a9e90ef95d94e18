//! Retries of failed requests.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::upstream::host::error::{Fate, ProxyError};

/// `try_duration` and `try_interval`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryLimits {
    /// None: not set.
    pub(crate) try_duration: Option<Duration>,
    pub(crate) try_interval: Duration,
}

/// The attempts of a request so far.
#[derive(Debug)]
pub(crate) struct Retries {
    started: Instant,
    /// Upstreams that failed since the last pause.
    pub(crate) tried: Tried,
    /// An upstream has received it, in part or whole, so a retry adds load.
    delivered: bool,
    /// It has been retried after that.
    repeated: bool,
    /// The error of the last attempt.
    last: Option<ProxyError>,
}

impl Retries {
    pub(crate) fn new(started: Instant) -> Self {
        let tried = Tried::default();
        Self { started, tried, delivered: false, repeated: false, last: None }
    }

    /// Whether an attempt has failed.
    pub(crate) fn is_again(&self) -> bool {
        self.last.is_some()
    }

    /// Whether another attempt counts against the budget. A request that no upstream has received
    /// may be sent to a healthy one without.
    pub(crate) fn cost(&self, suspect: bool) -> bool {
        self.last.is_some() && (self.delivered || suspect)
    }

    /// Records a failed attempt.
    pub(crate) fn failed(&mut self, upstream: usize, error: ProxyError, fate: Fate) {
        self.delivered |= fate != Fate::Unprocessed;
        self.tried.add(upstream);
        self.last = Some(error);
    }

    /// Returns when the next attempt is due, or the final error. `none`: why no upstream could be
    /// chosen.
    pub(crate) async fn next(
        &mut self,
        limits: RetryLimits,
        hosts: usize,
        none: Option<ProxyError>,
    ) -> Result<(), ProxyError> {
        let over = none.is_some() || self.tried.covers(hosts);
        let limit = match limits.try_duration {
            Some(limit) => limit,
            // Without `try_duration`, each of the other upstreams is tried once.
            None if over || self.repeated => Duration::ZERO,
            None => {
                self.repeated = self.delivered;
                return Ok(());
            }
        };
        if self.started.elapsed() >= limit {
            // The error of an upstream is more specific than that none is left.
            return Err(self.last.take().or(none).unwrap_or(ProxyError::NoHost));
        }
        if over {
            self.tried = Tried::default();
            // An interval of zero would spin while all are down.
            sleep(limits.try_interval.max(Duration::from_millis(1))).await;
        }
        Ok(())
    }
}

/// The upstreams that failed since the last pause; only the first 64 are distinguished.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    which: u64,
    count: usize,
}

impl Tried {
    fn add(&mut self, index: usize) {
        self.which |= 1u64.checked_shl(index as u32).unwrap_or(0);
        self.count += 1;
    }

    pub(crate) fn has(&self, index: usize) -> bool {
        self.which & 1u64.checked_shl(index as u32).unwrap_or(0) != 0
    }

    pub(crate) fn any(&self) -> bool {
        self.count > 0
    }

    fn covers(&self, hosts: usize) -> bool {
        self.count >= hosts
    }
}
