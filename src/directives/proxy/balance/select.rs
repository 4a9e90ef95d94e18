//! Selects the upstream of a request: by health, free places, earlier attempts, and the policy.

use std::time::Duration;

use super::ahead::Ahead;
use super::policy::Policy;
use super::retry::Tried;
use crate::http::Request;
use crate::upstream::host::error::ProxyError;
use crate::upstream::host::set::Set;
use crate::upstream::host::upstream::{Slot, Tolerance, Upstream};

/// The smallest fraction of its share that a host gets after it has recovered.
const LEAST_SHARE: f64 = 0.05;

/// Selects an upstream of `hosts` for `req`.
#[derive(Clone, Copy)]
pub(crate) struct Selector<'a> {
    pub(crate) hosts: &'a Set,
    pub(crate) req: &'a Request,
    pub(crate) policy: &'a Policy,
    pub(crate) tolerance: Tolerance,
    /// 0: no limit.
    pub(crate) max_conns: usize,
    /// How long a recovered host takes to get its full share.
    pub(crate) slow_start: Duration,
}

impl Selector<'_> {
    /// Selects an upstream that has not been tried since the last pause, and takes a place on it.
    /// `own`: the one that the client's connection is bound to. `ahead`: those whose places are
    /// for requests in the queue.
    pub(crate) fn place(
        &self,
        own: Option<usize>,
        tried: &Tried,
        ahead: &Ahead,
    ) -> Result<(usize, Slot), ProxyError> {
        let count = self.hosts.len();
        let has_room = |i: usize| self.has_room(i) && !ahead.has(&self.hosts[i]);
        let open = |i: usize| self.is_sound(i) && has_room(i) && !tried.has(i);
        for _ in 0..count {
            let index = self.choose(own, tried, &open).or_else(|| {
                // If all upstreams have failed, each of them may still be tried.
                let none_sound = !(0..count).any(|i| self.is_sound(i));
                let spare = |i: usize| self.is_up(i) && has_room(i) && !tried.has(i);
                self.by_policy(&spare).filter(|_| none_sound)
            });
            let Some(index) = index else { break };
            // Another worker may have taken the last place.
            if let Some(slot) = self.take(&self.hosts[index]) {
                return Ok((index, slot));
            }
        }
        let full = (0..count).any(|i| self.is_up(i) && !has_room(i) && !tried.has(i));
        Err(if full { ProxyError::Busy } else { ProxyError::NoHost })
    }

    /// Chooses among the open ones: the one with affinity to the client, else one without a recent
    /// failure and past its slow start, else any.
    fn choose(
        &self,
        own: Option<usize>,
        tried: &Tried,
        open: &dyn Fn(usize) -> bool,
    ) -> Option<usize> {
        let bound = own.or_else(|| self.policy.sticky_host(self.hosts, self.req));
        if let Some(index) = bound.filter(|index| open(*index)) {
            return Some(index);
        }
        if tried.any() {
            let well = |i: usize| open(i) && !self.hosts[i].state.is_suspect();
            if let Some(index) = self.by_policy(&well) {
                return Some(index);
            }
        }
        if !self.slow_start.is_zero() && self.policy.spreads() {
            // One random number per request, so that a host keeps its share during the choice.
            let drawn = fastrand::u64(..);
            let has_share = |i: usize| {
                let draw = f64::from((drawn ^ self.hosts[i].seed) as u32) / f64::from(u32::MAX);
                let share = self.hosts[i].state.slow_start_fraction(self.slow_start);
                open(i) && draw <= share.max(LEAST_SHARE)
            };
            if let Some(index) = self.by_policy(&has_share) {
                return Some(index);
            }
        }
        self.by_policy(open)
    }

    fn by_policy(&self, may: &dyn Fn(usize) -> bool) -> Option<usize> {
        self.policy.choose(self.hosts, self.req, may)
    }

    fn is_up(&self, i: usize) -> bool {
        self.hosts[i].health.as_ref().is_none_or(|health| !health.is_down())
    }

    fn is_sound(&self, i: usize) -> bool {
        self.is_up(i) && self.hosts[i].state.fails() < self.tolerance.fails
    }

    fn has_room(&self, i: usize) -> bool {
        self.max_conns == 0 || self.hosts[i].state.conns() < self.max_conns
    }

    /// How many of `max_conns` places are free.
    pub(crate) fn free(&self, host: &Upstream) -> usize {
        self.max_conns.saturating_sub(host.state.conns())
    }

    /// A place on a host for one request; `None` where all are taken.
    fn take(&self, host: &Upstream) -> Option<Slot> {
        if self.max_conns == 0 && !self.policy.counts_requests() {
            return Some(Slot::default());
        }
        host.state.acquire(self.max_conns)
    }
}
