//! A small histogram whose buckets end at powers of two: what is kept for each site.

use super::counter::Counter;
use super::histogram::{BUCKETS, Latencies, Measured, PARTS, bucket};

/// One bucket for all that a [`super::Histogram`] divides into [`PARTS`].
const POWERS: usize = BUCKETS / PARTS as usize;

/// How many values fell into each bucket, and their sum. Times are in microseconds.
#[derive(Debug)]
pub(super) struct Powers {
    buckets: [Counter; POWERS],
    sum: Counter,
}

impl Default for Powers {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| Counter::default()), sum: Counter::default() }
    }
}

impl Powers {
    pub(super) fn record_time(&self, time: Measured) {
        self.buckets[time.bucket / PARTS as usize].add(1);
        self.sum.add(time.micros);
    }

    /// Counts a number: one that is a power of two is in the bucket that ends with it.
    pub(super) fn record(&self, value: u64) {
        self.buckets[bucket(value.saturating_sub(1)) / PARTS as usize].add(1);
        self.sum.add(value);
    }
}

/// The values of several of them, as they were when they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    buckets: [u64; POWERS],
    pub sum: u64,
}

impl Distribution {
    pub(super) fn add(&mut self, more: &Powers) {
        for (bucket, counted) in self.buckets.iter_mut().zip(&more.buckets) {
            *bucket += counted.get();
        }
        self.sum += more.sum.get();
    }

    pub fn merge(&mut self, more: &Self) {
        for (bucket, counted) in self.buckets.iter_mut().zip(&more.buckets) {
            *bucket += counted;
        }
        self.sum += more.sum;
    }

    /// Of times that are known more finely.
    pub fn of(times: &Latencies) -> Self {
        let mut all = Self { sum: times.sum, ..Self::default() };
        for (at, counted) in times.buckets.iter().enumerate() {
            all.buckets[at / PARTS as usize] += counted;
        }
        all
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// A power of two that `share` of the values (0.0 to 1.0) do not exceed. `None` without values.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let wanted = ((self.count() as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let reaches = |counted: &u64| {
            seen += counted;
            seen >= wanted
        };
        // The first bucket ends at 2^2.
        self.buckets.iter().position(reaches).map(|at| 1 << (at + 2))
    }

    /// How many values are greater than the bound before, and at most 2^`power`, for each of the
    /// powers; last, those above all of them.
    pub fn split(&self, powers: impl Iterator<Item = u32>) -> Vec<u64> {
        let mut from = 0;
        let mut parts: Vec<u64> = powers
            .map(|power| {
                // The first bucket ends at 2^2.
                let to = (power as usize).saturating_sub(1).clamp(from, POWERS - 1);
                let part = self.buckets[from..to].iter().sum();
                from = to;
                part
            })
            .collect();
        parts.push(self.buckets[from..].iter().sum());
        parts
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::histogram::Histogram;

    fn distribution(fill: impl Fn(&Powers)) -> Distribution {
        let (powers, mut read) = (Powers::default(), Distribution::default());
        fill(&powers);
        read.add(&powers);
        read
    }

    #[test]
    fn bounds_are_part_of_their_bucket() {
        let values = [0, 1, 4, 5, 1023, 1024, 1025, 4096, 4097, u64::MAX / 4];
        let read = distribution(|powers| values.iter().for_each(|value| powers.record(*value)));
        assert_eq!(read.split([2, 10, 12].into_iter()), [3, 3, 2, 2]);
        assert_eq!((read.count(), read.sum), (10, values.iter().sum()));
        assert_eq!(read.split([10, 26].into_iter()), [6, 3, 1]);
        assert_eq!((read.quantile(0.0), read.quantile(0.6)), (Some(4), Some(1024)));
        assert_eq!(Distribution::default().quantile(0.5), None);
    }

    #[test]
    fn times_are_in_microseconds() {
        let read = distribution(|powers| {
            for millis in [1, 3, 70_000] {
                powers.record_time(Duration::from_millis(millis).into());
            }
        });
        // 1.024 ms, 4.096 ms, 67 s.
        assert_eq!(read.split([10, 12, 26].into_iter()), [1, 1, 0, 1]);
        assert_eq!(read.sum, 70_004_000);
        let (fine, mut known) = (Histogram::default(), Latencies::default());
        for millis in [1, 3, 70_000] {
            fine.record(Duration::from_millis(millis).into());
        }
        known.add(&fine);
        assert_eq!(Distribution::of(&known), read);
    }
}
