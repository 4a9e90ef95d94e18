//! What all machines of a fleet have let each client do: the same algorithm as a quota's, over what
//! was spent in stretches of time instead of at moments. Pure: the time is an argument.

use std::collections::HashMap;

use super::quota::Moment;

/// Clients by key, each with the moment from which on all of its requests are there again.
pub(super) struct Ledger {
    known: HashMap<u64, Moment>,
    most: usize,
}

/// What a client has spent at one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: u64,
    /// Nanoseconds of its quota.
    pub(super) spent: u64,
    /// The window of its quota.
    pub(super) window: u64,
}

impl Entry {
    /// A counter runs ahead of now by twice the window at most: who has spent more at many machines
    /// at once is let in again after a window.
    pub(super) fn most(&self, now: Moment) -> Moment {
        now.saturating_add(self.window.saturating_mul(2))
    }
}

impl Ledger {
    /// For so many clients.
    pub(super) fn new(most: usize) -> Self {
        Self { known: HashMap::new(), most }
    }

    pub(super) fn clear(&mut self) {
        self.known.clear();
    }

    /// Adds what was spent since the moment `since`, spread over that time: what came back
    /// meanwhile could be spent. `own` is the counter of this machine without what it has not told,
    /// for clients that are not known. Returns the counter of all machines.
    pub(super) fn add(&mut self, entry: &Entry, since: Moment, now: Moment, own: Moment) -> Moment {
        if self.known.len() >= self.most && !self.known.contains_key(&entry.key) {
            self.forget(since);
        }
        let counter = self.known.entry(entry.key).or_insert(own);
        *counter = (*counter).max(since).saturating_add(entry.spent).min(entry.most(now));
        *counter
    }

    /// Forgets who has all requests again, or else the half that is nearest to it.
    fn forget(&mut self, since: Moment) {
        self.known.retain(|_, counter| *counter > since);
        if self.known.len() < self.most {
            return;
        }
        let mut counters: Vec<_> = self.known.values().copied().collect();
        let middle = counters.len() / 2;
        let (_, middle, _) = counters.select_nth_unstable(middle);
        let middle = *middle;
        self.known.retain(|_, counter| *counter > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn entry(key: u64, spent: u64) -> Entry {
        Entry { key, spent, window: 100 * SECOND }
    }

    #[test]
    fn what_comes_back_meanwhile_can_be_spent() {
        let mut ledger = Ledger::new(8);
        let mut add = |spent, since, now, own| {
            ledger.add(&entry(1, spent * SECOND), since * SECOND, now * SECOND, own * SECOND)
        };
        // 3 of 10 s, twice: less than what comes back.
        assert_eq!(add(3, 1000, 1010, 0), 1003 * SECOND);
        assert_eq!(add(3, 1001, 1011, 0), 1006 * SECOND);
        // More than that, and its own counter matters only once.
        assert_eq!(add(30, 1005, 1015, 5000), 1036 * SECOND);
        // No further ahead than two windows.
        assert_eq!(add(500, 1010, 1020, 0), 1220 * SECOND);
    }

    #[test]
    fn a_client_that_is_not_known_begins_with_its_own_counter() {
        let mut ledger = Ledger::new(8);
        assert_eq!(ledger.add(&entry(1, SECOND), 1000 * SECOND, 1001 * SECOND, 1050 * SECOND), {
            1051 * SECOND
        });
    }

    #[test]
    fn it_stays_within_its_size() {
        let mut ledger = Ledger::new(100);
        for key in 0..10_000 {
            ledger.add(&entry(key, (key % 90) * SECOND), 1000 * SECOND, 1001 * SECOND, 0);
            assert!(ledger.known.len() <= 100, "{}", ledger.known.len());
        }
        // Who has spent most stays.
        let (mut ledger, now) = (Ledger::new(100), 1001 * SECOND);
        ledger.add(&entry(7, 95 * SECOND), 1000 * SECOND, now, 0);
        for key in 100..5_000 {
            ledger.add(&entry(key, (key % 50) * SECOND), 1000 * SECOND, now, 0);
        }
        assert_eq!(ledger.known.get(&7), Some(&(1095 * SECOND)));
    }
}
