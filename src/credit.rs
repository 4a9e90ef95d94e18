//! Windows that grow: how many bytes more than their initial size the windows of all connections
//! may have together, and when a receive window should grow. Knows neither protocol nor socket.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::limits::{RECEIVE_CREDIT, SEND_CREDIT};

/// For windows that clients send into.
pub static RECEIVE: Credit = Credit::new(RECEIVE_CREDIT);
/// For responses that clients have not acknowledged.
pub static SEND: Credit = Credit::new(SEND_CREDIT);

/// A connection gets at most one part in so many of what the others have left, so that a few that
/// take all they can do not leave the rest with nothing.
const SHARE: u64 = 8;

/// Bytes that the workers of the process grant together.
#[derive(Debug)]
pub struct Credit {
    granted: AtomicU64,
    most: u64,
}

impl Credit {
    pub const fn new(most: u64) -> Self {
        Self { granted: AtomicU64::new(0), most }
    }
}

/// Bytes that a connection may use beyond its initial window, until this is dropped.
#[derive(Debug)]
pub struct Grant {
    credit: &'static Credit,
    bytes: u64,
}

impl Grant {
    pub fn new(credit: &'static Credit) -> Self {
        Self { credit, bytes: 0 }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds to it; false where less than `reserve` bytes would be left.
    pub fn grow(&mut self, bytes: u64, reserve: u64) -> bool {
        let most = self.credit.most.saturating_sub(reserve);
        let add = |granted: u64| granted.checked_add(bytes).filter(|granted| *granted <= most);
        let granted =
            self.credit.granted.try_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok();
        self.bytes += if granted { bytes } else { 0 };
        granted
    }

    /// Adds to it; false where it would be more than this connection's share.
    pub fn grow_within_share(&mut self, bytes: u64) -> bool {
        self.grow(bytes, (SHARE - 1) * (self.bytes + bytes))
    }

    /// Makes it as large as wanted, or as close to that as this connection's share allows.
    pub fn resize(&mut self, wanted: u64) {
        let (most, own) = (self.credit.most, self.bytes);
        let fit = |granted: u64| {
            let share = most.saturating_sub(granted - own) / SHARE;
            // What was granted may be in use.
            wanted.min(share.max(own))
        };
        let resized = |granted: u64| Some(granted - own + fit(granted));
        let (Ok(before) | Err(before)) =
            self.credit.granted.try_update(Ordering::Relaxed, Ordering::Relaxed, resized);
        self.bytes = fit(before);
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.credit.granted.fetch_sub(self.bytes, Ordering::Relaxed);
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
    pub fn drained(
        &mut self,
        bytes: u64,
        window: u64,
        now: Instant,
        rtt: impl FnOnce() -> Duration,
    ) -> bool {
        if self.bytes == 0 {
            // The time before is not that of an upload.
            self.since = now;
        }
        self.bytes += bytes;
        if self.bytes < window / 2 {
            return false;
        }
        // More than a quarter of a window in each round trip: less needs no larger one.
        let windows = self.bytes as f64 / window as f64;
        let is_fast = now.duration_since(self.since) < rtt().mul_f64(4.0 * windows);
        *self = Self::new(now);
        is_fast
    }
}

/// The time from a question to its answer, which is measured once for each connection.
#[derive(Debug, Default)]
pub struct RoundTrip {
    asked: Option<Instant>,
    time: Option<Duration>,
}

impl RoundTrip {
    pub fn asked(&mut self, now: Instant) {
        self.asked.get_or_insert(now);
    }

    /// Records the answer; false if nothing was asked, or the answer is known.
    pub fn answered(&mut self, now: Instant) -> bool {
        let (Some(asked), None) = (self.asked, self.time) else { return false };
        self.time = Some(now.duration_since(asked));
        true
    }

    pub fn time(&self) -> Option<Duration> {
        self.time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KB: u64 = 1024;
    const RTT: Duration = Duration::from_millis(100);

    /// Whether a window of 256 KiB grows when so much is drained in each round trip, after a pause.
    fn grows(per_rtt: u64) -> bool {
        let mut now = Instant::now();
        let mut drain = Drain::new(now);
        now += RTT * 100;
        (0..20).any(|_| {
            now += RTT / 10;
            drain.drained(per_rtt / 10, 256 * KB, now, || RTT)
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
        static CREDIT: Credit = Credit::new(1000);
        let (mut one, mut other) = (Grant::new(&CREDIT), Grant::new(&CREDIT));
        assert!(one.grow(900, 0) && !one.grow(200, 0));
        assert_eq!(one.bytes(), 900, "what was refused does not count");
        assert!(!other.grow(200, 0));
        assert!(!other.grow(10, 100), "a reserve is kept");
        drop(one);
        assert!(other.grow(200, 0));
        let mut third = Grant::new(&CREDIT);
        assert!(!third.grow_within_share(101) && third.grow_within_share(100));
        assert!(!third.grow_within_share(1));
    }

    #[test]
    fn a_share_gets_smaller_with_what_is_left() {
        static CREDIT: Credit = Credit::new(1000);
        let mut grants: Vec<Grant> = (0..50).map(|_| Grant::new(&CREDIT)).collect();
        grants.iter_mut().for_each(|grant| grant.resize(u64::MAX));
        let sizes: Vec<u64> = grants.iter().map(Grant::bytes).collect();
        assert_eq!(sizes[..3], [125, 109, 95]);
        assert!(sizes.iter().sum::<u64>() <= 1000);
        grants[0].resize(u64::MAX);
        assert_eq!(grants[0].bytes(), 125, "what it has may be in use");
        grants[0].resize(5);
        assert_eq!(grants[0].bytes(), 5);
        grants.truncate(1);
        grants[0].resize(80);
        assert_eq!(CREDIT.granted.load(Ordering::Relaxed), 80);
    }
}
