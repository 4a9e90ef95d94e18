//! What a machine of a fleet has let through since it told the others: a number beside each place
//! of the table.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::quota::Quota;
use super::slots::WAYS;

/// The lower bits of a number count requests, the upper ones name their quota.
const COUNT_BITS: u32 = 48;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// Numbers beside the places of a table with so many sets of [`WAYS`].
pub(super) struct Spending {
    spent: Box<[AtomicU64]>,
    /// A bit for each set where something was spent.
    touched: Box<[AtomicU64]>,
    quotas: Mutex<Vec<Quota>>,
}

/// Requests of one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Untold {
    pub(super) quota: Quota,
    pub(super) count: u64,
}

impl Untold {
    /// In nanoseconds of the quota.
    pub(super) fn time(&self) -> u64 {
        self.quota.time_of(self.count)
    }
}

impl Spending {
    pub(super) fn new(sets: usize) -> Self {
        let zeros = |count| std::iter::repeat_with(AtomicU64::default).take(count).collect();
        Self {
            spent: zeros(sets * WAYS),
            touched: zeros(sets.div_ceil(64)),
            quotas: Mutex::default(),
        }
    }

    /// The quota with the number that it has here; without one if there are too many.
    pub(super) fn numbered(&self, quota: Quota) -> Quota {
        let mut quotas = self.quotas();
        let known = quotas.iter().position(|known| *known == quota);
        let place = known.unwrap_or_else(|| {
            quotas.push(quota);
            quotas.len() - 1
        });
        quota.numbered(u16::try_from(place + 1).unwrap_or(0))
    }

    /// Counts a request; `is_new`: the place was another client's.
    pub(super) fn add(&self, place: usize, quota: &Quota, is_new: bool) {
        if quota.number() == 0 {
            return;
        }
        let tag = u64::from(quota.number()) << COUNT_BITS;
        let spent = &self.spent[place];
        if is_new || spent.load(Ordering::Relaxed) & !COUNT != tag {
            spent.store(tag | 1, Ordering::Relaxed);
        } else {
            spent.fetch_add(1, Ordering::Relaxed);
        }
        self.touch(place / WAYS);
    }

    /// The place is another client's, who has spent nothing.
    pub(super) fn clear(&self, place: usize) {
        self.spent[place].store(0, Ordering::Relaxed);
    }

    pub(super) fn of(&self, place: usize) -> Option<Untold> {
        let spent = self.spent[place].load(Ordering::Relaxed);
        let number = usize::try_from(spent >> COUNT_BITS).ok()?.checked_sub(1)?;
        let count = spent & COUNT;
        (count > 0).then_some(())?;
        self.quotas().get(number).map(|quota| Untold { quota: *quota, count })
    }

    /// Takes so many requests away, those that came meanwhile not.
    pub(super) fn settle(&self, place: usize, count: u64) {
        let less = |spent: u64| (spent & COUNT >= count).then(|| spent - count);
        // Fails where the place has become another client's.
        let _ = self.spent[place].fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// The sets where something was spent since the last time.
    pub(super) fn take_touched(&self) -> impl Iterator<Item = usize> {
        self.touched.iter().enumerate().flat_map(|(word, bits)| {
            let bits = match bits.load(Ordering::Relaxed) {
                0 => 0,
                _ => bits.swap(0, Ordering::Relaxed),
            };
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word * 64 + bit)
        })
    }

    pub(super) fn touch(&self, set: usize) {
        let (bits, bit) = (&self.touched[set / 64], 1 << (set % 64));
        // Most often it is there: then other workers keep their copy of the line.
        if bits.load(Ordering::Relaxed) & bit == 0 {
            bits.fetch_or(bit, Ordering::Relaxed);
        }
    }

    fn quotas(&self) -> MutexGuard<'_, Vec<Quota>> {
        self.quotas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
