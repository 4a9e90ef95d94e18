//! Whether, when and where a request that failed is tried again.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::directives::proxy::host::error::{Fate, ProxyError};

/// For how long and how often a request is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryLimits {
    /// None: it is not written.
    pub(crate) try_duration: Option<Duration>,
    pub(crate) try_interval: Duration,
}

/// What has become of a request so far.
#[derive(Debug)]
pub(crate) struct Retries {
    started: Instant,
    /// Upstreams that failed since the last pause.
    pub(crate) tried: Tried,
    /// An upstream has had it, in part or whole: sending it again gives them more to do.
    delivered: bool,
    /// It has been sent again after that.
    repeated: bool,
    /// What the last upstream that was tried said.
    last: Option<ProxyError>,
}

impl Retries {
    pub(crate) fn new(started: Instant) -> Self {
        let tried = Tried::default();
        Self { started, tried, delivered: false, repeated: false, last: None }
    }

    /// Whether another try puts more on upstreams than the requests themselves: then it needs a
    /// place in the budget. What never reached an upstream may go to one that is well for free.
    pub(crate) fn cost(&self, suspect: bool) -> bool {
        self.last.is_some() && (self.delivered || suspect)
    }

    /// An upstream failed.
    pub(crate) fn failed(&mut self, upstream: usize, error: ProxyError, fate: Fate) {
        self.delivered |= fate != Fate::Unprocessed;
        self.tried.add(upstream);
        self.last = Some(error);
    }

    /// Returns when it is time for another try, or what to answer. `none`: why no upstream was
    /// tried just now.
    pub(crate) async fn next(
        &mut self,
        limits: RetryLimits,
        hosts: usize,
        none: Option<ProxyError>,
    ) -> Result<(), ProxyError> {
        let over = none.is_some() || self.tried.covers(hosts);
        let limit = match limits.try_duration {
            Some(limit) => limit,
            // Unless told for how long, each of the others is asked once.
            None if over || self.repeated => Duration::ZERO,
            None => {
                self.repeated = self.delivered;
                return Ok(());
            }
        };
        if self.started.elapsed() >= limit {
            // What an upstream did tells more than that there is no other.
            return Err(self.last.take().or(none).unwrap_or(ProxyError::NoHost));
        }
        if over {
            self.tried = Tried::default();
            // An interval of nothing would spin while all are down.
            sleep(limits.try_interval.max(Duration::from_millis(1))).await;
        }
        Ok(())
    }
}

/// Which upstreams failed since the last pause; beyond 64 they are not told apart.
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
