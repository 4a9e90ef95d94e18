//! Entries that the disk of this machine did not take, as it is full for instance. Some of them are
//! fetched again with each question.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};

use super::super::seal::Id;

/// Entries that are tried again with a question.
const SOME: usize = 32;
/// Entries that are named in the log until all have succeeded.
const NAMED: usize = 10;

#[derive(Default)]
pub(super) struct Failed {
    waiting: BTreeSet<Id>,
    /// The last one that was tried again.
    last: Option<Id>,
    named: BTreeSet<Id>,
}

impl Failed {
    /// It is tried again.
    pub(super) fn note(&mut self, id: Id, why: &str) {
        self.waiting.insert(id);
        self.say(id, why);
    }

    /// Says what is in the way of an entry, once.
    pub(super) fn say(&mut self, id: Id, why: &str) {
        if self.named.len() >= NAMED || !self.named.insert(id) {
            return;
        }
        log::warn!("fleet: {why}; it is tried again until it succeeds");
        if self.named.len() == NAMED {
            log::warn!("fleet: other entries that fail are not logged");
        }
    }

    /// Those that are to be tried now; what fails again is noted again.
    pub(super) fn again(&mut self) -> Vec<Id> {
        let from = self.last.map_or(Unbounded, Excluded);
        let mut some: Vec<_> = self.waiting.range((from, Unbounded)).take(SOME).copied().collect();
        if some.is_empty() {
            some = self.waiting.iter().take(SOME).copied().collect();
        }
        self.last = some.last().copied();
        self.waiting.retain(|id| !some.contains(id));
        some
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// All have succeeded: what fails from now on is said.
    pub(super) fn succeeded(&mut self) {
        self.named.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::seal;
    use super::*;

    #[test]
    fn all_take_turns_and_few_are_named() {
        let mut failed = Failed::default();
        let ids: BTreeSet<_> = (0..SOME + 8).map(|n| seal().id(&format!("ocsp/{n}"))).collect();
        ids.iter().for_each(|id| failed.note(*id, "full"));
        assert_eq!(failed.named.len(), NAMED);
        let mut tried = BTreeSet::new();
        for number in [SOME, 8, SOME] {
            let some = failed.again();
            assert_eq!(some.len(), number);
            some.iter().for_each(|id| failed.note(*id, "full"));
            tried.extend(some);
        }
        assert_eq!(tried, ids);
        while !failed.is_empty() {
            failed.again();
        }
        failed.succeeded();
        assert_eq!(failed.named.len(), 0);
    }
}
