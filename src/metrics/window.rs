//! A rate over the last minute, from samples of a growing total.

use std::collections::VecDeque;
use std::time::Duration;

/// What a rate is about.
const LENGTH: Duration = Duration::from_secs(60);

/// Samples of the last minute, and one before them. Times are counted from the start.
#[derive(Debug, Default)]
pub struct Window(VecDeque<Sample>);

#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    at: Duration,
    total: u64,
}

impl Window {
    /// Keeps what the total was at a time.
    pub fn keep(&mut self, at: Duration, total: u64) {
        self.0.push_back(Sample { at, total });
        // The first one is the last that is a minute old.
        while self.0.get(1).is_some_and(|second| at.saturating_sub(second.at) >= LENGTH) {
            self.0.pop_front();
        }
    }

    /// The growth per second of a total that is `total` by now: over the last minute, or since the
    /// start where that is shorter.
    pub fn per_second(&self, now: Duration, total: u64) -> f64 {
        let is_old = |sample: &&Sample| now.saturating_sub(sample.at) >= LENGTH;
        let since = self.0.iter().rev().find(is_old).or(self.0.front());
        // All totals begin with 0.
        let since = since.filter(|_| now >= LENGTH).copied().unwrap_or_default();
        rate(total.saturating_sub(since.total), now.saturating_sub(since.at))
    }
}

/// Of a count in a time; 0 in no time.
pub(super) fn rate(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_last_minute_counts() {
        let mut window = Window::default();
        assert_eq!(window.per_second(secs(0), 5), 0.0);
        assert_eq!(window.per_second(secs(10), 50), 5.0);
        // Ten a second for two minutes, then one a second.
        for at in (0..=240).step_by(10) {
            let total = if at <= 120 { at * 10 } else { 1200 + (at - 120) };
            window.keep(secs(at), total);
            match at {
                30 | 120 => assert_eq!(window.per_second(secs(at), total), 10.0, "at {at}"),
                150 => assert_eq!(window.per_second(secs(at), total), 5.5, "at {at}"),
                240 => assert_eq!(window.per_second(secs(at), total), 1.0, "at {at}"),
                _ => {}
            }
        }
        assert!(window.0.len() <= 8, "{}", window.0.len());
    }

    #[test]
    fn a_sample_that_is_missing_lengthens_the_time() {
        let mut window = Window::default();
        window.keep(secs(10), 100);
        // The machine was asleep.
        assert_eq!(window.per_second(secs(110), 300), 2.0);
    }
}
