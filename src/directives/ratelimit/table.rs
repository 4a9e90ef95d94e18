//! The counters of all clients of the process, in a table of fixed size that its workers share. A
//! counter that is there is changed by one atomic operation; a lock is taken only to put a client
//! into the table.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use super::quota::{Moment, Quota, Verdict};
use crate::limits::RATELIMIT_CLIENTS;

/// Places that a client may have. With half of all taken, 4 clients of 1000 find none free.
const WAYS: usize = 16;

/// The counter is changed to another client's.
const CHANGING: Moment = Moment::MAX;

/// A client of a rule, as a number that nobody outside can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(u64);

/// Counters that outlive the configurations that use them.
pub(super) struct Table {
    sets: Box<[Set]>,
    hashing: RandomState,
    origin: Instant,
}

#[derive(Default)]
struct Set {
    slots: [Slot; WAYS],
    /// Held by whoever puts a client in.
    entering: Mutex<()>,
}

/// A counter never becomes less than it was, unless another client takes the place of one that is
/// limited. So whoever exchanges the value that it read has changed that client's.
#[derive(Default)]
struct Slot {
    key: AtomicU64,
    counter: AtomicU64,
}

impl Table {
    /// That of the process, made at the first use.
    pub(super) fn shared() -> &'static Self {
        static SHARED: OnceLock<Table> = OnceLock::new();
        SHARED.get_or_init(|| Self::new(RATELIMIT_CLIENTS))
    }

    fn new(clients: usize) -> Self {
        let sets = std::iter::repeat_with(Set::default).take((clients / WAYS).max(1)).collect();
        Self { sets, hashing: RandomState::new(), origin: Instant::now() }
    }

    pub(super) fn key(&self, parts: impl Hash) -> Key {
        // 0 is nobody's.
        Key(self.hashing.hash_one(parts).max(1))
    }

    pub(super) fn moment(&self, at: Instant) -> Moment {
        // 584 years fit.
        u64::try_from(at.saturating_duration_since(self.origin).as_nanos()).unwrap_or(CHANGING - 1)
    }

    /// Counts a request.
    pub(super) fn take(&self, key: Key, quota: &Quota, now: Moment) -> Verdict {
        let set = self.set(key);
        set.take(key, quota, now).unwrap_or_else(|| set.enter(key, quota, now))
    }

    /// What [`Self::take`] would say.
    pub(super) fn look(&self, key: Key, quota: &Quota, now: Moment) -> Verdict {
        let slot = self.set(key).slots.iter().find_map(|slot| slot.counter_of(key));
        quota.take(slot.unwrap_or(0), now).0
    }

    fn set(&self, key: Key) -> &Set {
        let at = (u128::from(key.0) * self.sets.len() as u128) >> 64;
        // Less than the number of sets.
        &self.sets[at as usize]
    }
}

impl Set {
    /// `None`: the client has no counter.
    fn take(&self, key: Key, quota: &Quota, now: Moment) -> Option<Verdict> {
        self.slots.iter().find_map(|slot| slot.take(key, quota, now))
    }

    /// Gives the client a counter: that of the client that is nearest to all of its requests, which
    /// most often has them, and then loses nothing.
    fn enter(&self, key: Key, quota: &Quota, now: Moment) -> Verdict {
        let _entering = self.entering.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = self.take(key, quota, now) {
            return verdict;
        }
        let (verdict, counter) = quota.take(0, now);
        loop {
            let counters = self.slots.iter().map(|slot| slot.counter.load(Ordering::Acquire));
            let Some((slot, least)) = self.slots.iter().zip(counters).min_by_key(|(_, at)| *at)
            else {
                return verdict;
            };
            if slot.change(least, CHANGING) {
                slot.key.store(key.0, Ordering::Release);
                slot.counter.store(counter, Ordering::Release);
                return verdict;
            }
        }
    }
}

impl Slot {
    /// The counter, if it is this client's. The key is read after it: a counter that was changed to
    /// another client's has the other key before it.
    fn counter_of(&self, key: Key) -> Option<Moment> {
        if self.key.load(Ordering::Relaxed) != key.0 {
            return None;
        }
        let counter = self.counter.load(Ordering::Acquire);
        (counter != CHANGING && self.key.load(Ordering::Acquire) == key.0).then_some(counter)
    }

    fn take(&self, key: Key, quota: &Quota, now: Moment) -> Option<Verdict> {
        loop {
            let counter = self.counter_of(key)?;
            let (verdict, next) = quota.take(counter, now);
            if next == counter || self.change(counter, next) {
                return Some(verdict);
            }
        }
    }

    fn change(&self, from: Moment, to: Moment) -> bool {
        self.counter.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

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
