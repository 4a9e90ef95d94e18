//! Limits the requests that a client cancels before they are answered. Each costs the client two
//! frames, and the server and an upstream a request (RFC 9113 section 10.5, RFC 9114 section 10.5).

use std::time::Instant;

use crate::limits::{CANCELLED, CANCELLED_RATE};

/// How many more cancelled requests a connection tolerates.
#[derive(Debug)]
pub(crate) struct Patience {
    left: u32,
    since: Instant,
}

impl Patience {
    pub(crate) fn new(now: Instant) -> Self {
        Self { left: CANCELLED, since: now }
    }

    /// Counts a cancelled request; false above the limit.
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        let time = now.saturating_duration_since(self.since);
        let regained = time.as_millis() * u128::from(CANCELLED_RATE) / 1000;
        let regained = u32::try_from(regained).unwrap_or(u32::MAX);
        if regained > 0 {
            // Else the fraction counts next time.
            self.since = now;
        }
        let left = self.left.saturating_add(regained).min(CANCELLED);
        self.left = left.saturating_sub(1);
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn bursts_end_and_a_steady_rate_does_not() {
        let begin = Instant::now();
        let mut patience = Patience::new(begin);
        let pause = Duration::from_secs(1) / CANCELLED_RATE;
        for count in 1..1000 {
            assert!(patience.allows(begin + pause * count), "at the rate: {count}");
        }
        let then = begin + pause * 1000;
        let stood = (0..1000).take_while(|_| patience.allows(then)).count();
        assert!((190..=200).contains(&stood), "{stood}");
        let later = then + Duration::from_secs(3600);
        let stood = (0..1000).take_while(|_| patience.allows(later)).count();
        assert_eq!(stood, 200);
    }
}
