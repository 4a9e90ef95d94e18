//! The counters of all clients of the process, in a table of fixed size that its workers share. A
//! counter that is there is changed by one atomic operation; a lock is taken only to put a client
//! into the table. Of a fleet's machine it also says what its clients have spent, and takes what
//! they have spent at others.

#[allow(deprecated, reason = "the one hash of the library that machines can share a key of")]
use std::hash::SipHasher;
use std::hash::{BuildHasher as _, Hash, Hasher as _, RandomState};
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::ledger::Entry;
use super::quota::{Moment, Quota, Verdict};
use super::slots::{CHANGING, Key, Set, Taken, WAYS};
use super::spending::Spending;
use crate::fleet::common::Common;

/// Counters that outlive the configurations that use them.
pub(super) struct Table {
    sets: Box<[Set]>,
    hashing: Hashing,
    origin: Instant,
    /// What the other machines of a fleet are to be told.
    spending: Option<Spending>,
}

/// How clients become numbers.
enum Hashing {
    Own(RandomState),
    /// The same on all machines of a fleet.
    Common(u64, u64),
}

/// What a client has spent since the last time.
pub(super) struct Spent {
    pub(super) entry: Entry,
    /// Its counter without that.
    pub(super) own: Moment,
    place: usize,
    count: u64,
}

impl Table {
    pub(super) fn new(clients: usize) -> Self {
        let sets = std::iter::repeat_with(Set::default).take((clients / WAYS).max(1)).collect();
        let hashing = Hashing::Own(RandomState::new());
        Self { sets, hashing, origin: Instant::now(), spending: None }
    }

    pub(super) fn of_fleet(clients: usize, common: &Common) -> Self {
        let table = Self::new(clients);
        let secret = common.secret("ratelimit keys");
        let (halves, _) = secret.as_chunks::<8>();
        let half = |at: usize| halves.get(at).map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let spending = Some(Spending::new(table.sets.len()));
        Self { hashing: Hashing::Common(half(0), half(1)), spending, ..table }
    }

    pub(super) fn key(&self, parts: impl Hash) -> Key {
        let hash = match &self.hashing {
            Hashing::Own(state) => state.hash_one(parts),
            Hashing::Common(one, other) => {
                #[allow(deprecated, reason = "see above")]
                let mut hasher = SipHasher::new_with_keys(*one, *other);
                parts.hash(&mut hasher);
                hasher.finish()
            }
        };
        // 0 is nobody's.
        Key(hash.max(1))
    }

    pub(super) fn moment(&self, at: Instant) -> Moment {
        // 584 years fit.
        u64::try_from(at.saturating_duration_since(self.origin).as_nanos()).unwrap_or(CHANGING - 1)
    }

    /// The quota as [`Self::take`] wants it.
    pub(super) fn quota(&self, quota: Quota) -> Quota {
        self.spending.as_ref().map_or(quota, |spending| spending.numbered(quota))
    }

    /// Counts a request.
    pub(super) fn take(&self, key: Key, quota: &Quota, now: Moment) -> Verdict {
        let at = self.set(key);
        let set = &self.sets[at];
        let Taken { verdict, way, is_new } =
            set.take(key, quota, now).unwrap_or_else(|| set.enter(key, quota, now));
        if let Some(spending) = &self.spending
            && verdict.is_allowed
        {
            spending.add(at * WAYS + way, quota, is_new);
        }
        verdict
    }

    /// What [`Self::take`] would say.
    pub(super) fn look(&self, key: Key, quota: &Quota, now: Moment) -> Verdict {
        let slot = self.found(key).map(|found| found.counter);
        quota.take(slot.unwrap_or(0), now).0
    }

    /// Takes what was spent since the last time, of so many clients, those who have spent the
    /// largest part of their quota. The others are for the next time, but for those who have all
    /// requests again.
    pub(super) fn take_spent(&self, most: usize, now: Moment) -> Vec<Spent> {
        let Some(spending) = &self.spending else { return Vec::new() };
        let mut found: Vec<Spent> = Vec::new();
        let leave = |rest: Vec<Spent>| {
            for one in rest {
                if one.own.saturating_add(one.entry.spent) <= now {
                    spending.settle(one.place, one.count);
                } else {
                    spending.touch(one.place / WAYS);
                }
            }
        };
        let part = |one: &Spent| one.entry.spent as f64 / one.entry.window as f64;
        let by_part = |one: &Spent, other: &Spent| part(other).total_cmp(&part(one));
        for set in spending.take_touched() {
            let places = set * WAYS..(set + 1) * WAYS;
            found.extend(places.filter_map(|place| self.spent_at(place)));
            if found.len() >= 8 * most {
                found.select_nth_unstable_by(most, by_part);
                leave(found.split_off(most));
            }
        }
        if found.len() > most {
            found.select_nth_unstable_by(most, by_part);
            leave(found.split_off(most));
        }
        found.iter().for_each(|one| spending.settle(one.place, one.count));
        found
    }

    fn spent_at(&self, place: usize) -> Option<Spent> {
        let spent = self.spending.as_ref()?.of(place)?;
        let slot = self.sets.get(place / WAYS)?.slots.get(place % WAYS)?;
        let key = slot.key.load(Ordering::Acquire);
        let counter = slot.counter_of(Key(key))?;
        let (time, window) = (spent.time(), spent.quota.window_nanos());
        let entry = Entry { key, spent: time, window };
        Some(Spent { entry, own: counter.saturating_sub(time), place, count: spent.count })
    }

    /// The counter of a client without what was not told, 0 if there is none.
    pub(super) fn settled(&self, key: u64) -> Moment {
        let key = Key(key);
        self.found(key).map_or(0, |found| found.counter.saturating_sub(self.untold(found.place)))
    }

    /// Lifts the counter of a client to this moment and what was not told, up to `most`; a client
    /// without a place gets one.
    pub(super) fn raise(&self, key: u64, counter: Moment, most: Moment) {
        let key = Key(key);
        let at = self.set(key);
        let most = most.min(CHANGING - 1);
        let is_raised = self.found(key).is_some_and(|found| {
            let counter = counter.saturating_add(self.untold(found.place)).min(most);
            self.sets[at].slots[found.place % WAYS].raise(key, counter)
        });
        if !is_raised && let Some(way) = self.sets[at].admit(key, counter.min(most)) {
            self.spending.iter().for_each(|spending| spending.clear(at * WAYS + way));
        }
    }

    pub(super) fn forget_spent(&self) {
        let Some(spending) = &self.spending else { return };
        for set in spending.take_touched() {
            (set * WAYS..(set + 1) * WAYS).for_each(|place| spending.clear(place));
        }
    }

    fn untold(&self, place: usize) -> u64 {
        let spent = self.spending.as_ref().and_then(|spending| spending.of(place));
        spent.map_or(0, |spent| spent.time())
    }

    fn found(&self, key: Key) -> Option<Found> {
        let at = self.set(key);
        self.sets[at].slots.iter().enumerate().find_map(|(way, slot)| {
            Some(Found { counter: slot.counter_of(key)?, place: at * WAYS + way })
        })
    }

    fn set(&self, key: Key) -> usize {
        let at = (u128::from(key.0) * self.sets.len() as u128) >> 64;
        // Less than the number of sets.
        at as usize
    }
}

/// A client's counter.
struct Found {
    counter: Moment,
    place: usize,
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;
    use crate::limits::RATELIMIT_CLIENTS;

    fn quota(requests: u64, burst: u64) -> Quota {
        Quota::new(requests, Duration::from_secs(1), burst).unwrap()
    }

    #[test]
    fn clients_have_counters_of_their_own() {
        let table = Table::new(1024);
        let quota = quota(1, 2);
        for client in 0..100 {
            let key = table.key(client);
            let allowed: Vec<_> = (0..4).map(|_| table.take(key, &quota, 5).is_allowed).collect();
            assert_eq!(allowed, [true, true, false, false], "{client}");
            assert!(!table.look(key, &quota, 5).is_allowed);
            assert!(table.look(key, &quota, 1_000_000_006).is_allowed);
        }
        assert!(table.look(table.key("new"), &quota, 5).is_allowed);
    }

    /// Each thread asks for all clients, which the first requests put in at the same time.
    #[test]
    fn workers_grant_exactly_the_quota_together() {
        let table = Table::new(4096);
        let quota = quota(1, 100);
        let granted: Vec<_> = (0..64).map(|_| AtomicUsize::new(0)).collect();
        std::thread::scope(|scope| {
            for worker in 0..8 {
                let (table, granted) = (&table, &granted);
                scope.spawn(move || {
                    for turn in 0..64 * 50 {
                        let client = (turn * 7 + worker) % 64;
                        if table.take(table.key(client), &quota, 9).is_allowed {
                            granted[client].fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        for (client, granted) in granted.iter().enumerate() {
            assert_eq!(granted.load(Ordering::Relaxed), 100, "{client}");
        }
    }

    /// More clients than places come and go while one is limited.
    #[test]
    fn who_is_limited_stays_so_in_a_crowd() {
        let table = Table::new(256);
        let (strict, plain) = (quota(1, 10), quota(10, 10));
        let limited = table.key("limited");
        while table.take(limited, &strict, 1).is_allowed {}
        for client in 0..100_000 {
            table.take(table.key(client), &plain, 1);
        }
        assert!(!table.take(limited, &strict, 1).is_allowed);
        let second = 1_000_000_000;
        assert!(table.take(limited, &strict, second + 1).is_allowed);
        assert!(!table.take(limited, &strict, second + 1).is_allowed);
    }

    /// Places change hands under the feet of those who count: nobody gets more than is due, and
    /// each ends.
    #[test]
    fn places_change_hands_while_others_count() {
        let table = Table::new(WAYS);
        let quota = quota(1_000_000_000, 2);
        std::thread::scope(|scope| {
            for worker in 0..4u64 {
                let table = &table;
                scope.spawn(move || {
                    for turn in 0..50_000u64 {
                        let key = table.key((turn * (worker + 1)) % 40);
                        let now = table.moment(Instant::now());
                        let verdict = table.take(key, &quota, now);
                        assert!(verdict.is_allowed || verdict.reset.as_nanos() > 0);
                    }
                });
            }
        });
        let left = table.sets[0].slots.iter().map(|slot| slot.counter.load(Ordering::Acquire));
        assert!(left.into_iter().all(|counter| counter != CHANGING));
    }

    #[test]
    fn a_table_is_as_large_as_its_limit_says() {
        assert!(size_of::<Set>() <= WAYS * 16 + 8);
        assert_eq!(RATELIMIT_CLIENTS % WAYS, 0);
        let keys: std::collections::BTreeSet<_> =
            (0..1000).map(|client| Table::new(16).key(client).0).collect();
        assert_eq!(keys.len(), 1000, "each table has a secret of its own");
    }
}
