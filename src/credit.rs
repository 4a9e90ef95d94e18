//! Receive windows that grow: how much more than its first window a sender is let have, and the
//! sum of it over the process. Knows neither protocol nor socket.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::limits::RECEIVE_CREDIT;

/// Granted by all workers together.
static GRANTED: AtomicU64 = AtomicU64::new(0);

/// Bytes that a sender was let have beyond its first window, until this is dropped.
#[derive(Debug, Default)]
pub struct Grant(u64);

impl Grant {
    /// Adds to it; false where the process has no more to give.
    pub fn grow(&mut self, bytes: u64) -> bool {
        let add =
            |granted: u64| granted.checked_add(bytes).filter(|granted| *granted <= RECEIVE_CREDIT);
        let granted = GRANTED.try_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok();
        self.0 += if granted { bytes } else { 0 };
        granted
    }

    pub fn bytes(&self) -> u64 {
        self.0
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        GRANTED.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// Tells from what is drained whether a window holds its sender back: who has to wait for it
/// drains a whole window in each round trip.
#[derive(Debug)]
pub struct Drain {
    since: Instant,
    bytes: u64,
}

impl Drain {
    pub fn new(now: Instant) -> Self {
        Self { since: now, bytes: 0 }
    }

    /// Notes what was drained; true if the window should be twice as large.
    pub fn drained(&mut self, bytes: u64, window: u64, rtt: Duration, now: Instant) -> bool {
        self.bytes += bytes;
        if self.bytes < window / 2 {
            return false;
        }
        // More than a quarter of a window in each round trip: less needs no larger one.
        let windows = self.bytes as f64 / window as f64;
        let is_fast = now.duration_since(self.since) < rtt.mul_f64(4.0 * windows);
        *self = Self::new(now);
        is_fast
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KB: u64 = 1024;
    const RTT: Duration = Duration::from_millis(100);

    /// Whether a window of 256 KiB grows when so much is drained in each round trip.
    fn grows(per_rtt: u64) -> bool {
        let mut now = Instant::now();
        let mut drain = Drain::new(now);
        (0..1000).any(|_| {
            now += RTT / 10;
            drain.drained(per_rtt / 10, 256 * KB, RTT, now)
        })
    }

    #[test]
    fn a_window_grows_only_for_who_needs_it() {
        assert!(grows(256 * KB), "who waits for it");
        assert!(grows(100 * KB));
        assert!(!grows(60 * KB), "a slow sender, or a slow reader");
        assert!(!grows(KB));
    }

    #[test]
    fn the_process_has_a_bound() {
        let mut one = Grant::default();
        assert!(one.grow(RECEIVE_CREDIT - KB) && !one.grow(2 * KB));
        assert_eq!(one.bytes(), RECEIVE_CREDIT - KB, "what was refused does not count");
        let mut other = Grant::default();
        assert!(!other.grow(2 * KB));
        drop(one);
        assert!(other.grow(2 * KB));
    }
}
