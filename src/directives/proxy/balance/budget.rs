//! The retry budget: limits retries to a share of the recent requests, so that they do not overload
//! failing upstreams. A fixed number per second is always allowed, so that a recovery is detected.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use tokio::time::Instant;

use crate::limits::{RETRY_FLOOR, RETRY_SHARE, RETRY_WINDOW};

/// One bucket per second, and one for the current second.
const BUCKETS: usize = RETRY_WINDOW + 1;
/// Workers use separate counters, which avoids contention.
const SHARDS: usize = 8;

/// The budget of a rule.
#[derive(Debug, Default)]
pub(crate) struct Budget([Shard; SHARDS]);

#[derive(Debug, Default)]
#[repr(align(64))]
struct Shard([Bucket; BUCKETS]);

#[derive(Debug, Default)]
struct Bucket {
    /// The second that this bucket counts, from 1.
    second: AtomicU32,
    requests: AtomicU32,
    repeats: AtomicU32,
}

impl Budget {
    /// Counts a request.
    pub(crate) fn request(&self, now: Instant) {
        self.bucket(now).requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a retry is allowed; if so, it is counted.
    pub(crate) fn repeat(&self, now: Instant) -> bool {
        let this = second(now);
        let (_, just) = self.counted(this - 1);
        let (requests, repeats) = self.counted(this - RETRY_WINDOW as u32);
        if just >= RETRY_FLOOR && repeats >= requests * RETRY_SHARE / 100 {
            return false;
        }
        self.bucket(now).repeats.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn bucket(&self, now: Instant) -> &Bucket {
        let second = second(now);
        let bucket = &self.0[shard()].0[second as usize % BUCKETS];
        let counted = bucket.second.load(Ordering::Relaxed);
        if counted != second
            && bucket
                .second
                .compare_exchange(counted, second, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            bucket.requests.store(0, Ordering::Relaxed);
            bucket.repeats.store(0, Ordering::Relaxed);
        }
        bucket
    }

    /// The numbers of requests and retries after this second.
    fn counted(&self, second: u32) -> (u64, u64) {
        let recent = self.0.iter().flat_map(|shard| &shard.0);
        let recent = recent.filter(|bucket| bucket.second.load(Ordering::Relaxed) > second);
        recent.fold((0, 0), |(requests, repeats), bucket| {
            let count = |counter: &AtomicU32| u64::from(counter.load(Ordering::Relaxed));
            (requests + count(&bucket.requests), repeats + count(&bucket.repeats))
        })
    }
}

/// Seconds since the first call, from 11, so that unused buckets are never recent.
fn second(now: Instant) -> u32 {
    static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
    now.saturating_duration_since(*EPOCH).as_secs() as u32 + BUCKETS as u32
}

/// The shard of this thread.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
    }
    OWN.with(Cell::get)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn allowed(budget: &Budget, now: Instant) -> u64 {
        (0..).take_while(|_| budget.repeat(now)).count() as u64
    }

    #[test]
    fn a_share_of_the_last_seconds_and_a_floor() {
        let start = Instant::now();
        let budget = Budget::default();
        assert_eq!(allowed(&budget, start), RETRY_FLOOR);
        for _ in 0..1_000 {
            budget.request(start);
        }
        assert_eq!(allowed(&budget, start), 1_000 * RETRY_SHARE / 100 - RETRY_FLOOR);
        assert_eq!(allowed(&budget, start + Duration::from_secs(5)), RETRY_FLOOR);
        let later = start + Duration::from_secs(RETRY_WINDOW as u64 + 1);
        budget.request(later);
        assert_eq!(allowed(&budget, later), RETRY_FLOOR);
    }
}
