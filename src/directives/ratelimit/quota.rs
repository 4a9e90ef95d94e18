//! How many requests one client may make: the generic cell rate algorithm. A client's counter is
//! one number, and the time is an argument, so that any store that can compare and swap a number
//! may hold the counters of several machines.

use std::time::Duration;

/// Nanoseconds since a moment that all who use a counter share.
pub(super) type Moment = u64;

/// Longer times are as good as none, and sums stay within numbers.
pub(super) const LONGEST: u64 = 10 * 365 * 86_400 * 1_000_000_000;

/// So many requests at once, and one more after each interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quota {
    /// Nanoseconds, at least one.
    interval: u64,
    /// The time in which a counter that is used up becomes full again.
    window: u64,
    /// Of those that machines share; 0 for none.
    number: u16,
}

/// What a counter says of one more request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) is_allowed: bool,
    /// Further requests that would be allowed at once.
    pub(super) remaining: u64,
    /// The time until there are more: until all are there, or the next one if there are none.
    pub(super) reset: Duration,
}

impl Quota {
    /// `requests` in a `period`, and `burst` of them at once. `None`: a counter would take more
    /// than ten years to become full, or there are more than one request in a nanosecond.
    pub(super) fn new(requests: u64, period: Duration, burst: u64) -> Option<Self> {
        // Rounded up, so that there are never more than `requests`.
        let interval = period.as_nanos().checked_div(u128::from(requests))?;
        let exact = interval * u128::from(requests) == period.as_nanos();
        let interval = interval + u128::from(!exact);
        let window =
            interval.checked_mul(u128::from(burst)).filter(|window| *window <= LONGEST.into())?;
        if interval == 0 || burst == 0 {
            return None;
        }
        let (interval, window) = (interval.try_into().ok()?, window.try_into().ok()?);
        Some(Self { interval, window, number: 0 })
    }

    pub(super) fn numbered(self, number: u16) -> Self {
        Self { number, ..self }
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }

    /// The time in which so many requests come back.
    pub(super) fn time_of(&self, requests: u64) -> u64 {
        self.interval.saturating_mul(requests)
    }

    pub(super) fn burst(&self) -> u64 {
        self.window / self.interval
    }

    pub(super) fn window_nanos(&self) -> u64 {
        self.window
    }

    pub(super) fn window(&self) -> Duration {
        Duration::from_nanos(self.window)
    }

    /// Counts one request at `now`. `counter` is the moment from which on all requests are there
    /// again, 0 for a new client; the second result is what it becomes, itself if the request is
    /// not allowed.
    pub(super) fn take(&self, counter: Moment, now: Moment) -> (Verdict, Moment) {
        let used = counter.saturating_sub(now);
        let with_it = used.saturating_add(self.interval);
        if with_it > self.window {
            let reset = Duration::from_nanos(with_it - self.window);
            return (Verdict { is_allowed: false, remaining: 0, reset }, counter);
        }
        let left = self.window - with_it;
        let remaining = left / self.interval;
        let until_next = (with_it + self.interval).saturating_sub(self.window);
        let reset = Duration::from_nanos(if remaining == 0 { until_next } else { with_it });
        (Verdict { is_allowed: true, remaining, reset }, now.max(counter) + self.interval)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quota(requests: u64, seconds: u64, burst: u64) -> Quota {
        Quota::new(requests, Duration::from_secs(seconds), burst).unwrap()
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let quota = quota(2, 1, 3);
        let mut counter = 0;
        for (now, is_allowed, remaining, reset) in [
            (0, true, 2, 500),
            (0, true, 1, 1000),
            (0, true, 0, 500),
            (0, false, 0, 500),
            (400, false, 0, 100),
            (500, true, 0, 500),
            (999, false, 0, 1),
            (1000, true, 0, 500),
            (9000, true, 2, 500),
        ] {
            let (verdict, next) = quota.take(counter, now * 1_000_000);
            let reset = Duration::from_millis(reset);
            assert_eq!(verdict, Verdict { is_allowed, remaining, reset }, "at {now} ms");
            counter = next;
        }
    }

    #[test]
    fn what_is_no_quota() {
        let new =
            |requests, seconds, burst| Quota::new(requests, Duration::from_secs(seconds), burst);
        for (requests, seconds, burst) in
            [(0, 1, 1), (1, 1, 0), (1, 0, 1), (1, 604_800, 600), (1, 1, u64::MAX)]
        {
            assert_eq!(new(requests, seconds, burst), None, "{requests} {seconds} {burst}");
        }
        assert!(new(u64::MAX, 604_800, 1).is_some());
        assert!(new(1, 604_800, 500).is_some());
        assert_eq!(new(3, 1, 3).unwrap().interval, 333_333_334);
        assert_eq!(new(3, 1, 3).unwrap().burst(), 3);
    }

    proptest! {
        /// In any stretch of time there are at most the burst and what comes back in it.
        #[test]
        fn never_more_than_the_rate(
            requests in 1u64..50,
            burst in 1u64..50,
            steps in proptest::collection::vec(0u64..2 * SECOND, 1..300),
        ) {
            let quota = quota(requests, 1, burst);
            let (mut counter, mut now, mut allowed) = (0, 7 * SECOND, Vec::new());
            for step in steps {
                // Half of the requests come at once.
                now += if step % 2 == 0 { 0 } else { step / 8 };
                let (verdict, next) = quota.take(counter, now);
                prop_assert_eq!(verdict.is_allowed, next != counter);
                if verdict.is_allowed {
                    allowed.push(now);
                }
                counter = next;
            }
            for (at, first) in allowed.iter().enumerate() {
                for (count, last) in (1u64..).zip(&allowed[at..]) {
                    prop_assert!(count <= burst + (last - first) / quota.interval);
                }
            }
        }

        /// What is told holds: as many as remain are allowed now, and the next one at the reset.
        #[test]
        fn what_is_told_is_so(
            requests in 1u64..1000,
            burst in 1u64..40,
            used in 0u64..100,
            now in 0u64..1 << 60,
        ) {
            let quota = quota(requests, 60, burst);
            let mut counter = now;
            for _ in 0..used {
                counter = quota.take(counter, now).1;
            }
            let (verdict, mut counter) = quota.take(counter, now);
            for _ in 0..verdict.remaining {
                let (verdict, next) = quota.take(counter, now);
                prop_assert!(verdict.is_allowed);
                counter = next;
            }
            prop_assert!(!quota.take(counter, now).0.is_allowed);
            if verdict.remaining == 0 {
                let reset = u64::try_from(verdict.reset.as_nanos()).unwrap();
                prop_assert!(quota.take(counter, now + reset).0.is_allowed);
                prop_assert!(!quota.take(counter, now + reset - 1).0.is_allowed);
            }
        }

        /// A store may forget a counter that has passed, and clocks may differ a little.
        #[test]
        fn a_full_counter_is_new(requests in 1u64..99, burst in 1u64..99, ago in 0u64..SECOND) {
            let quota = quota(requests, 1, burst);
            let now = 1 << 50;
            prop_assert_eq!(quota.take(now - ago, now), quota.take(0, now));
        }
    }
}
