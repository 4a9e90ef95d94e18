//! The engine's time, which all machines have alike: their own clocks may be apart.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Machines, locked};

impl Machines {
    /// What the engine says its time is, in seconds, between two calls of [`Self::learn`]. Before
    /// the first one it is left alone: who the others are is not known.
    pub fn hear_time(&self, seconds: u64) {
        let mut clock = locked(&self.clock);
        let now = self.begun.elapsed();
        if clock.seconds(now).is_some() {
            clock.learn(seconds, now);
        }
    }

    /// In seconds.
    pub(super) fn time(&self) -> Option<u64> {
        locked(&self.clock).seconds(self.begun.elapsed())
    }
}

/// For the tokens of Retry: one of another machine is as old here as it is there.
impl quinn::TimeSource for Machines {
    fn now(&self) -> SystemTime {
        let time = self.time().map(Duration::from_secs);
        time.and_then(|time| UNIX_EPOCH.checked_add(time)).unwrap_or_else(SystemTime::now)
    }
}
