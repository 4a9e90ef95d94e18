//! A uniform sample of what came, within a fixed size.

use super::sample::Sample;

/// Which of many samples are kept does not depend on what they say, nor on their arm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reservoir {
    pub(super) kept: Vec<Sample>,
    /// How many came, the kept ones included.
    pub(super) came: u64,
}

impl Reservoir {
    pub(super) fn add(&mut self, sample: Sample, size: usize, random: &mut fastrand::Rng) {
        self.came += 1;
        if self.kept.len() < size {
            self.kept.push(sample);
            return;
        }
        let place = usize::try_from(random.u64(0..self.came)).unwrap_or(usize::MAX);
        if let Some(kept) = self.kept.get_mut(place) {
            *kept = sample;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    #[test]
    fn each_of_many_is_kept_with_the_same_probability() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut halves = [0; 2];
        for _ in 0..200 {
            let mut reservoir = Reservoir::default();
            for visitor in 0..1000 {
                reservoir.add(sample(visitor, 1), 50, &mut random);
            }
            assert_eq!((reservoir.kept.len(), reservoir.came), (50, 1000));
            for kept in &reservoir.kept {
                halves[usize::from(kept.visitor >= 500)] += 1;
            }
        }
        // 10,000 draws: five standard deviations are 250.
        assert!((4750..5250).contains(&halves[0]), "{halves:?}");
    }
}
