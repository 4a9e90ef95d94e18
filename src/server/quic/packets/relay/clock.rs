//! The engine's time, which all machines have alike: their own clocks may be apart.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Machines;

impl Machines {
    /// In seconds.
    pub(super) fn time(&self) -> Option<u64> {
        let begin = self.clock.load(Ordering::Relaxed);
        (begin > 0).then(|| begin.saturating_add(self.begun.elapsed().as_secs()))
    }

    pub(super) fn seconds(&self) -> Option<u32> {
        // Both sides count round after 2^32 seconds.
        self.time().map(|time| time as u32)
    }
}

/// For the tokens of Retry: one of another machine is as old here as it is there.
impl quinn::TimeSource for Machines {
    fn now(&self) -> SystemTime {
        let time = self.time().map(Duration::from_secs);
        time.and_then(|time| UNIX_EPOCH.checked_add(time)).unwrap_or_else(SystemTime::now)
    }
}
