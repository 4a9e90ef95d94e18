//! Quantiles of times, and how far they may be off: the visitors of an arm are drawn again, with
//! replacement, and each time the quantiles are taken. A visitor is drawn with all of its answers,
//! as they resemble one another, and counts once, however many answers it got.
//!
//! How far away visitors are decides most of what they wait, and by chance one arm has more of
//! those far away. So visitors are put into strata by the round trip that was measured before they
//! were told of their arm, and each stratum gets the same share in both arms.

use std::collections::HashMap;

/// The quantiles that are compared.
pub(super) const PROBABILITIES: [f64; 3] = [0.5, 0.75, 0.95];
/// How often visitors are drawn. The error of a standard error is then below 4 %.
pub(super) const DRAWS: usize = 400;
/// Strata of round trips, and visitors of both arms that one has at least.
const STRATA: usize = 8;
const OF_STRATUM: usize = 25;
/// What rounding takes from a sum of weights must not move a quantile.
const ROUNDING: f64 = 1e-9;

/// A time of a visitor.
pub(super) struct Timed {
    pub(super) day: u32,
    pub(super) visitor: u16,
    pub(super) rtt: u16,
    pub(super) micros: u32,
}

/// Times of one arm in order, with the visitors that they belong to.
pub(super) struct Times {
    values: Vec<Value>,
    visitors: Vec<OneVisitor>,
    /// The share of each stratum in both arms together.
    shares: Vec<f64>,
}

struct Value {
    micros: u32,
    visitor: usize,
}

struct OneVisitor {
    rtt: u16,
    stratum: usize,
    answers: u32,
}

impl Times {
    /// The times of both arms, in the same strata.
    pub(super) fn of_arms<I: Iterator<Item = Timed>>(arms: [I; 2]) -> [Self; 2] {
        let mut arms = arms.map(Self::of);
        let visitors = arms.iter().flat_map(|arm| &arm.visitors);
        let mut rtts: Vec<u16> = visitors.map(|one| one.rtt).collect();
        rtts.sort_unstable();
        let strata = (rtts.len() / OF_STRATUM).clamp(1, STRATA);
        let ends: Vec<u16> =
            (1..strata).filter_map(|at| rtts.get(at * rtts.len() / strata)).copied().collect();
        let stratum = |rtt: u16| ends.partition_point(|end| *end <= rtt);
        let mut shares = vec![0.0; strata];
        rtts.iter().for_each(|rtt| shares[stratum(*rtt)] += 1.0 / rtts.len() as f64);
        for arm in &mut arms {
            arm.visitors.iter_mut().for_each(|one| one.stratum = stratum(one.rtt));
            arm.shares.clone_from(&shares);
        }
        arms
    }

    fn of(times: impl Iterator<Item = Timed>) -> Self {
        let mut known = HashMap::new();
        let mut visitors: Vec<OneVisitor> = Vec::new();
        let number = |Timed { day, visitor, rtt, micros }| {
            let visitor = *known.entry((day, visitor)).or_insert_with(|| {
                visitors.push(OneVisitor { rtt, stratum: 0, answers: 0 });
                visitors.len() - 1
            });
            visitors[visitor].answers += 1;
            Value { micros, visitor }
        };
        let mut values: Vec<Value> = times.map(number).collect();
        values.sort_unstable_by_key(|value| value.micros);
        Self { values, visitors, shares: Vec::new() }
    }

    pub(super) fn visitors(&self) -> usize {
        self.visitors.len()
    }

    pub(super) fn answers(&self) -> usize {
        self.values.len()
    }

    /// Of all visitors, in microseconds; `None` without any.
    pub(super) fn quantiles(&self) -> Option<[f64; 3]> {
        let each = vec![1.0; self.visitors()];
        let weights = self.weights(each);
        (!self.values.is_empty()).then(|| {
            let mut found = [0.0; 3];
            self.walk(&weights, &PROBABILITIES, &mut found);
            found
        })
    }

    /// The times that hundredths of the visitors' answers do not exceed, from 1 to 99.
    pub(super) fn percentiles(&self) -> Vec<f64> {
        if self.values.is_empty() {
            return Vec::new();
        }
        let shares: Vec<f64> = (1..100).map(|percent| f64::from(percent) / 100.0).collect();
        let mut found = vec![0.0; shares.len()];
        self.walk(&self.weights(vec![1.0; self.visitors()]), &shares, &mut found);
        found
    }

    /// The quantiles of visitors that were drawn again, [`DRAWS`] times.
    pub(super) fn drawn(&self, random: &mut fastrand::Rng) -> Vec<[f64; 3]> {
        let visitors = self.visitors();
        let mut again = || {
            let mut times = vec![0.0; visitors];
            (0..visitors).for_each(|_| times[random.usize(0..visitors)] += 1.0);
            let mut found = [0.0; 3];
            self.walk(&self.weights(times), &PROBABILITIES, &mut found);
            found
        };
        if visitors == 0 { Vec::new() } else { (0..DRAWS).map(|_| again()).collect() }
    }

    /// What each answer of a visitor counts who was drawn so many times.
    fn weights(&self, mut times: Vec<f64>) -> Vec<f64> {
        let mut drawn = vec![0.0; self.shares.len()];
        for (one, times) in self.visitors.iter().zip(&times) {
            drawn[one.stratum] += times;
        }
        for (one, times) in self.visitors.iter().zip(&mut times) {
            if *times > 0.0 {
                *times *= self.shares[one.stratum] / drawn[one.stratum] / f64::from(one.answers);
            }
        }
        times
    }

    /// Finds the times that these shares of the answers, in rising order, do not exceed.
    fn walk(&self, weights: &[f64], shares: &[f64], found: &mut [f64]) {
        let answers = self.visitors.iter().zip(weights);
        let total: f64 = answers.map(|(one, weight)| weight * f64::from(one.answers)).sum();
        let mut wanted = shares.iter().zip(found).peekable();
        let mut reached = 0.0;
        for value in &self.values {
            reached += weights[value.visitor];
            while let Some((_, found)) =
                wanted.next_if(|(share, _)| reached >= **share * total - ROUNDING)
            {
                *found = f64::from(value.micros);
            }
            if wanted.peek().is_none() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(visitor: u16, rtt: u16, micros: u32) -> Timed {
        Timed { day: 1, visitor, rtt, micros }
    }

    fn times(times: Vec<Timed>) -> Times {
        let [times, _] = Times::of_arms([times, Vec::new()].map(Vec::into_iter));
        times
    }

    fn alone() -> Vec<Timed> {
        (1..=100).map(|n| timed(n, 500, u32::from(n))).collect()
    }

    #[test]
    fn a_visitor_counts_once() {
        assert_eq!(times(alone()).quantiles(), Some([50.0, 75.0, 95.0]));
        let mut crowded = alone();
        crowded.extend((0..5000).map(|_| timed(1, 500, 1)));
        let crowded = times(crowded);
        assert_eq!((crowded.visitors(), crowded.answers()), (100, 5100));
        assert_eq!(crowded.quantiles(), Some([50.0, 75.0, 95.0]));
        assert_eq!(crowded.percentiles()[..3], [1.0, 2.0, 3.0]);
        assert_eq!(times(Vec::new()).quantiles(), None);
        assert!(times(Vec::new()).percentiles().is_empty());
    }

    /// Three of four of one arm are far away, and one of four of the other.
    #[test]
    fn chance_that_makes_one_arm_far_away_is_no_difference() {
        let arm = |far: u16| {
            let all = (0..400).map(move |n| {
                let is_far = n % 4 < far;
                let spread = u32::from(n / 4);
                let times = if is_far { (2000, 900 + spread) } else { (100, 100 + spread) };
                timed(n, times.0, times.1)
            });
            all.collect::<Vec<_>>().into_iter()
        };
        let [one, other] = Times::of_arms([arm(3), arm(1)]).map(|arm| arm.quantiles().unwrap());
        for (one, other) in one.into_iter().zip(other) {
            assert!((one - other).abs() < 10.0, "{one} {other}");
        }
    }

    #[test]
    fn drawn_medians_scatter_as_theory_says() {
        let mut random = fastrand::Rng::with_seed(3);
        let all = (0..1000).map(|n| timed(n, 500, 1_000_000 + random.u32(0..1_000_000)));
        let drawn = times(all.collect()).drawn(&mut random);
        let mean = drawn.iter().map(|drawn| drawn[0]).sum::<f64>() / DRAWS as f64;
        let squares = drawn.iter().map(|drawn| (drawn[0] - mean).powi(2)).sum::<f64>();
        let deviation = (squares / DRAWS as f64).sqrt();
        // The median of 1,000 uniform values: sqrt(1/4/1000) of their range, which is 15,811.
        assert!((12_000.0..20_000.0).contains(&deviation), "{deviation}");
    }
}
