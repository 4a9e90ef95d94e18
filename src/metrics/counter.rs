//! A number that one thread changes and every thread may read.

use std::sync::atomic::{AtomicU64, Ordering};

/// It is changed by a load and a store, which cost what they cost on a plain number: no other core
/// waits for the cache line. So a second thread that changed it would lose counts.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }

    /// For a number of what is there now.
    pub fn subtract(&self, n: u64) {
        self.0.store(self.get().wrapping_sub(n), Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
