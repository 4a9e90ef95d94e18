//! The responders of a rule, in rotation.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::address::Upstream;
use crate::limits::FASTCGI_AVOIDED;

#[derive(Debug)]
pub(super) struct Upstreams {
    pub(super) all: Vec<Upstream>,
    turn: AtomicUsize,
    /// The zero of the milliseconds in `Upstream::avoided`, which is when a responder is used as
    /// usual again.
    since: Instant,
}

impl Default for Upstreams {
    fn default() -> Self {
        Self { all: Vec::new(), turn: AtomicUsize::new(1), since: Instant::now() }
    }
}

impl Upstreams {
    /// All responders in the order in which one request tries them: in rotation, starting with the
    /// second; those that failed recently come last.
    pub(super) fn in_turn(&self) -> Vec<&Upstream> {
        let count = self.all.len();
        if count == 1 {
            return vec![&self.all[0]];
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut order: Vec<_> = (0..count).map(|step| &self.all[(turn + step) % count]).collect();
        let now = self.now();
        order.sort_by_key(|upstream| upstream.avoided.load(Ordering::Relaxed) > now);
        order
    }

    pub(super) fn avoid(&self, upstream: &Upstream) {
        upstream.avoided.store(self.now() + FASTCGI_AVOIDED.as_millis() as u64, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::parse;
    use super::*;

    #[test]
    fn turns_go_round_and_what_cannot_be_reached_comes_last() {
        let all = ["a:1", "b:1", "c:1"].map(|text| parse(text).unwrap()).into();
        let upstreams = Upstreams { all, ..Upstreams::default() };
        let order = || -> String {
            upstreams.in_turn().iter().map(|upstream| &upstream.name[..1]).collect()
        };
        assert_eq!([order(), order(), order()], ["bca", "cab", "abc"]);
        upstreams.avoid(&upstreams.all[1]);
        assert_eq!([order(), order(), order()], ["cab", "cab", "acb"]);
    }
}
