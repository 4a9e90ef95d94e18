//! Books of several machines as one: counts add up, and of the samples as many are drawn from each
//! book as its share of all that came.

use super::book::{Book, Day};
use super::reservoir::Reservoir;
use super::sample::Arm;

impl Book {
    /// The numbers of its days.
    pub fn days(&self) -> Vec<u32> {
        self.days.iter().map(|day| day.number).collect()
    }

    /// One day of it; empty if there is none.
    pub fn only(&self, number: u32) -> Self {
        Self { days: self.days.iter().filter(|day| day.number == number).cloned().collect() }
    }

    pub fn remove(&mut self, number: u32) {
        self.days.retain(|day| day.number != number);
    }

    /// Adds what another machine has measured. No day grows beyond its size.
    pub fn add(&mut self, other: &Self, random: &mut fastrand::Rng) {
        for more in &other.days {
            let day = self.day(more.number);
            *day = day.with(more, random);
        }
    }
}

impl Day {
    fn with(&self, more: &Self, random: &mut fastrand::Rng) -> Self {
        let mut counts = self.counts;
        for arm in Arm::ALL {
            counts[arm as usize].add(&more.counts[arm as usize]);
        }
        let answers = self.answers.with(&more.answers, Book::DAY_SAMPLES, random);
        let pages = self.pages.with(&more.pages, Book::DAY_SAMPLES, random);
        Self { number: self.number, counts, answers, pages }
    }
}

impl Reservoir {
    /// A uniform sample of what came to both. Each has kept as many as may be drawn from it: all,
    /// or as many as the result has.
    fn with(&self, more: &Self, size: usize, random: &mut fastrand::Rng) -> Self {
        let mut sides = [self, more].map(|side| (side.kept.clone(), side.came));
        let came = self.came.saturating_add(more.came);
        let mut kept = Vec::new();
        while kept.len() < size {
            let left = sides[0].1.saturating_add(sides[1].1);
            if left == 0 {
                break;
            }
            let side = usize::from(random.u64(0..left) >= sides[0].1);
            let (samples, rest) = &mut sides[side];
            *rest -= 1;
            if samples.is_empty() {
                // A damaged book says that more came than it can show.
                *rest = 0;
                continue;
            }
            kept.push(samples.swap_remove(random.usize(..samples.len())));
        }
        Self { kept, came }
    }
}

#[cfg(test)]
mod tests {
    use super::super::book::Counts;
    use super::super::sample::tests::sample;
    use super::*;

    /// A book whose visitors have numbers from `first` on.
    fn book(day: u32, first: u16, count: u16) -> Book {
        let (mut book, mut random) = (Book::default(), fastrand::Rng::with_seed(1));
        for visitor in first..first + count {
            book.record(day, sample(visitor, 1), &mut random);
        }
        let visitors = u64::from(count);
        book.count(day, Arm::Offered, &Counts { visitors, ..Counts::default() });
        book
    }

    #[test]
    fn small_books_are_kept_whole() {
        let mut random = fastrand::Rng::with_seed(2);
        let mut all = book(100, 0, 30);
        all.add(&book(100, 1000, 50), &mut random);
        all.add(&book(101, 2000, 5), &mut random);
        assert_eq!(all.days(), [100, 101]);
        let mut visitors: Vec<_> = all.days[0].answers.kept.iter().map(|one| one.visitor).collect();
        visitors.sort_unstable();
        assert_eq!(visitors, (0..30).chain(1000..1050).collect::<Vec<_>>());
        assert_eq!((all.days[0].answers.came, all.counts(Arm::Offered).visitors), (80, 85));
        assert_eq!(
            (all.only(101).days(), all.only(101).counts(Arm::Offered).visitors),
            (vec![101], 5)
        );
        all.remove(100);
        assert_eq!(all.days(), [101]);
        assert_eq!(Book::decode(&all.encode()), Ok(all));
    }

    #[test]
    fn each_answer_is_kept_with_the_same_probability() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut of_first = 0;
        for _ in 0..20 {
            // 9000 and 3000 answers; 2048 of each are kept.
            let mut all = book(100, 0, 9000);
            all.add(&book(100, 20_000, 3000), &mut random);
            let kept = &all.days[0].answers.kept;
            assert_eq!((kept.len(), all.days[0].answers.came), (Book::DAY_SAMPLES, 12_000));
            of_first += kept.iter().filter(|one| one.visitor < 20_000).count();
            let mut visitors: Vec<_> = kept.iter().map(|one| one.visitor).collect();
            visitors.sort_unstable();
            visitors.dedup();
            assert_eq!(visitors.len(), Book::DAY_SAMPLES);
        }
        // Three quarters of 40,960: 30,720, and five standard deviations are 438.
        assert!(of_first.abs_diff(30_720) < 438, "{of_first}");
    }
}
