//! The places of the table: sets of them, in which a client may have any.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::quota::{Moment, Quota, Verdict};

/// Places that a client may have. With half of all taken, 4 clients of 1000 find none free.
pub(super) const WAYS: usize = 16;

/// The counter is changed to another client's.
pub(super) const CHANGING: Moment = Moment::MAX;

/// A client of a rule, as a number that nobody outside can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(pub(super) u64);

#[derive(Default)]
pub(super) struct Set {
    pub(super) slots: [Slot; WAYS],
    /// Held by whoever puts a client in.
    entering: Mutex<()>,
}

/// A counter never becomes less than it was, unless another client takes the place of one that is
/// limited. So whoever exchanges the value that it read has changed that client's.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) key: AtomicU64,
    pub(super) counter: AtomicU64,
}

/// A verdict, and the place of the counter in its set.
pub(super) struct Taken {
    pub(super) verdict: Verdict,
    pub(super) way: usize,
    pub(super) is_new: bool,
}

impl Set {
    /// `None`: the client has no counter.
    pub(super) fn take(&self, key: Key, quota: &Quota, now: Moment) -> Option<Taken> {
        self.slots.iter().enumerate().find_map(|(way, slot)| {
            Some(Taken { verdict: slot.take(key, quota, now)?, way, is_new: false })
        })
    }

    /// Gives the client a counter.
    pub(super) fn enter(&self, key: Key, quota: &Quota, now: Moment) -> Taken {
        let _entering = self.entering.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = self.take(key, quota, now) {
            return taken;
        }
        let (verdict, counter) = quota.take(0, now);
        Taken { verdict, way: self.put(key, counter), is_new: true }
    }

    /// Gives the client this counter; `None` if it has one by now.
    pub(super) fn admit(&self, key: Key, counter: Moment) -> Option<usize> {
        let _entering = self.entering.lock().unwrap_or_else(PoisonError::into_inner);
        let is_here = self.slots.iter().any(|slot| slot.raise(key, counter));
        (!is_here).then(|| self.put(key, counter))
    }

    /// Puts a client in the place of the one that is nearest to all of its requests, which most
    /// often has them, and then loses nothing.
    fn put(&self, key: Key, counter: Moment) -> usize {
        loop {
            let counters = self.slots.iter().map(|slot| slot.counter.load(Ordering::Acquire));
            let places = self.slots.iter().zip(counters).enumerate();
            let Some((way, (slot, least))) = places.min_by_key(|(_, (_, at))| *at) else {
                return 0;
            };
            if slot.change(least, CHANGING) {
                slot.key.store(key.0, Ordering::Release);
                slot.counter.store(counter, Ordering::Release);
                return way;
            }
        }
    }
}

impl Slot {
    /// The counter, if it is this client's. The key is read after it: a counter that was changed to
    /// another client's has the other key before it.
    pub(super) fn counter_of(&self, key: Key) -> Option<Moment> {
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

    /// Makes the counter at least this; false if it is not this client's.
    pub(super) fn raise(&self, key: Key, to: Moment) -> bool {
        loop {
            let Some(counter) = self.counter_of(key) else { return false };
            if counter >= to || self.change(counter, to) {
                return true;
            }
        }
    }

    fn change(&self, from: Moment, to: Moment) -> bool {
        self.counter.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}
