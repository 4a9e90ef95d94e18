//! A histogram of times with log-linear buckets: each power of two of microseconds is divided into
//! four, so that a value is known to a quarter at most, from 4 µs to two minutes.

use std::time::Duration;

use super::counter::Counter;

/// Buckets of one power of two.
pub(super) const PARTS: u64 = 4;
const PART_BITS: u32 = PARTS.ilog2();
/// Buckets up to 2^27 µs, which is 134 s; the last one has what is longer too.
pub(super) const BUCKETS: usize = 104;

/// How many values fell into each bucket, and their sum in microseconds.
#[derive(Debug)]
pub struct Histogram {
    buckets: [Counter; BUCKETS],
    sum: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| Counter::default()), sum: Counter::default() }
    }
}

impl Histogram {
    pub fn record(&self, time: Measured) {
        self.buckets[time.bucket].add(1);
        self.sum.add(time.micros);
    }
}

/// A time, and its bucket in every histogram.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub(super) micros: u64,
    pub(super) bucket: usize,
}

impl From<Duration> for Measured {
    fn from(time: Duration) -> Self {
        let micros = time.as_secs() * 1_000_000 + u64::from(time.subsec_micros());
        Self { micros, bucket: bucket(micros) }
    }
}

pub(super) fn bucket(micros: u64) -> usize {
    if micros < PARTS {
        return micros as usize;
    }
    let power = micros.ilog2();
    let part = micros >> (power - PART_BITS);
    // `part` counts from PARTS, so that the buckets of a power follow those of the one before.
    let at = u64::from(power - PART_BITS) * PARTS + part;
    (at as usize).min(BUCKETS - 1)
}

/// The first value, in microseconds, that is above the bucket.
fn end_of(bucket: usize) -> u64 {
    let next = bucket as u64 + 1;
    if next < PARTS {
        return next;
    }
    let (power, part) = (next / PARTS - 1, next % PARTS);
    (PARTS + part) << power
}

/// The values of several histograms, as they were when they were read.
#[derive(Debug, Clone)]
pub struct Latencies {
    pub(super) buckets: [u64; BUCKETS],
    pub(super) sum: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], sum: 0 }
    }
}

impl Latencies {
    pub fn add(&mut self, more: &Histogram) {
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

    /// Those that have come since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let grown = |at: usize| self.buckets[at].saturating_sub(earlier.buckets[at]);
        let sum = self.sum.saturating_sub(earlier.sum);
        Self { buckets: std::array::from_fn(grown), sum }
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Of all values.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum)
    }

    /// A time that `share` of the values (0.0 to 1.0) do not exceed: the end of their last bucket.
    /// `None` without values.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = ((self.count() as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let reaches = |counted: &u64| {
            seen += counted;
            seen >= wanted
        };
        self.buckets.iter().position(reaches).map(|at| Duration::from_micros(end_of(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_one_another_without_a_gap() {
        for micros in (0..100_000).chain([1 << 26, (1 << 27) - 1]) {
            let at = bucket(micros);
            assert!(micros < end_of(at), "{micros} is in bucket {at}, which ends before it");
            assert!(at == 0 || micros >= end_of(at - 1), "{micros} is not in bucket {at}");
            let width = end_of(at) - at.checked_sub(1).map_or(0, end_of);
            assert!(width * PARTS <= micros.max(PARTS), "bucket {at} is {width} µs wide");
        }
        assert_eq!((bucket((1 << 27) - 1), bucket(u64::MAX)), (BUCKETS - 1, BUCKETS - 1));
    }

    #[test]
    fn quantiles_are_a_quarter_too_long_at_most() {
        let (counted, mut read) = (Histogram::default(), Latencies::default());
        (1..=1000).for_each(|millis| counted.record(Duration::from_millis(millis).into()));
        read.add(&counted);
        assert_eq!((read.count(), read.sum()), (1000, Duration::from_micros(500_500_000)));
        for (share, millis) in [(0.0, 1), (0.5, 500), (0.95, 950), (1.0, 1000)] {
            let (found, least) = (read.quantile(share).unwrap(), Duration::from_millis(millis));
            assert!(found >= least && found <= least * 5 / 4, "{share}: {found:?}");
        }
        assert_eq!(Latencies::default().quantile(0.5), None);
    }
}
