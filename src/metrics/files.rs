//! The counters of the cache of files, as their worker writes them.

use super::counter::Counter;

/// Look-ups in the cache of a worker.
#[derive(Debug, Default)]
pub struct FileCache {
    hits: Counter,
    stale: Counter,
    misses: Counter,
}

impl FileCache {
    /// The file was served from memory.
    pub fn hit(&self) {
        self.hits.add(1);
    }

    /// The file had to be compared with the one on the disk.
    pub fn stale(&self) {
        self.stale.add(1);
    }

    /// The file was looked for on the disk.
    pub fn miss(&self) {
        self.misses.add(1);
    }
}

/// The sums of several of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileCacheTotals {
    pub hits: u64,
    pub stale: u64,
    pub misses: u64,
}

impl FileCacheTotals {
    pub(super) fn add(&mut self, more: &FileCache) {
        self.hits += more.hits.get();
        self.stale += more.stale.get();
        self.misses += more.misses.get();
    }
}
