//! Whom a new request comes behind in the queue.

use std::collections::BTreeMap;

use crate::upstream::host::upstream::Upstream;

/// The upstreams that other requests of the rule wait for: their places are not for a new one.
#[derive(Debug, Default)]
pub(crate) struct Ahead(Vec<u64>);

impl Ahead {
    /// `waiting`: how many requests wait for each upstream, by the ID of its state.
    pub(crate) fn of(waiting: &BTreeMap<u64, usize>) -> Self {
        Self(waiting.keys().copied().collect())
    }

    pub(crate) fn has(&self, host: &Upstream) -> bool {
        self.0.contains(&host.state.id)
    }
}
