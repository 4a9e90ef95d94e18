//! What is kept of a site: for each of the last days a sample of its answers, and counts.

use std::collections::VecDeque;

use super::reservoir::Reservoir;
use super::sample::{Arm, Sample, Source};

/// What is counted of one arm on one day, or on all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Each on each day.
    pub visitors: u64,
    pub connections: u64,
    pub http3_connections: u64,
    pub requests: u64,
    pub http3_requests: u64,
    /// Requests whose answer broke off, or that the client left.
    pub failures: u64,
    /// Handshakes of clients whose address is proven.
    pub failed_handshakes: u64,
    /// Packets with content, or QUIC packets, sent on connections that have ended.
    pub packets: u64,
    /// Of these, sent again (TCP) or lost (QUIC).
    pub lost: u64,
}

impl Counts {
    pub fn add(&mut self, more: &Self) {
        for (sum, more) in self.fields_mut().into_iter().zip(more.fields()) {
            *sum = sum.saturating_add(more);
        }
    }

    pub(super) fn fields(&self) -> [u64; Self::FIELDS] {
        let mut copy = *self;
        copy.fields_mut().map(|field| *field)
    }

    pub(super) const FIELDS: usize = 9;

    pub(super) fn fields_mut(&mut self) -> [&mut u64; Self::FIELDS] {
        [
            &mut self.visitors,
            &mut self.connections,
            &mut self.http3_connections,
            &mut self.requests,
            &mut self.http3_requests,
            &mut self.failures,
            &mut self.failed_handshakes,
            &mut self.packets,
            &mut self.lost,
        ]
    }
}

/// A day, numbered from 1970-01-01 in UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) number: u32,
    pub(super) counts: [Counts; 2],
    pub(super) answers: Reservoir,
    pub(super) pages: Reservoir,
}

impl Day {
    pub(super) fn reservoirs(&self) -> [&Reservoir; 2] {
        [&self.answers, &self.pages]
    }
}

/// What was measured of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    /// The oldest first.
    pub(super) days: VecDeque<Day>,
}

impl Book {
    /// Samples of one kind that are kept of a day. It bounds memory, the state file and the time of
    /// an analysis.
    pub const DAY_SAMPLES: usize = 2048;
    /// Days that a book can have.
    pub const MOST_DAYS: u32 = 90;

    pub fn record(&mut self, day: u32, sample: Sample, random: &mut fastrand::Rng) {
        let day = self.day(day);
        let reservoir = match sample.source {
            Source::Server => &mut day.answers,
            Source::Page => &mut day.pages,
        };
        reservoir.add(sample, Self::DAY_SAMPLES, random);
    }

    pub fn count(&mut self, day: u32, arm: Arm, more: &Counts) {
        self.day(day).counts[arm as usize].add(more);
    }

    /// Forgets the days that are `keep` days old.
    pub fn forget(&mut self, today: u32, keep: u32) {
        let keep = keep.clamp(1, Self::MOST_DAYS);
        // A day in the future is one of a clock that was wrong.
        self.days.retain(|day| day.number <= today && today - day.number < keep);
    }

    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    /// Of all days.
    pub fn counts(&self, arm: Arm) -> Counts {
        let mut sum = Counts::default();
        self.days.iter().for_each(|day| sum.add(&day.counts[arm as usize]));
        sum
    }

    pub(super) fn day(&mut self, number: u32) -> &mut Day {
        let place = self.days.partition_point(|day| day.number < number);
        if self.days.get(place).is_none_or(|day| day.number != number) {
            self.days.insert(place, Day { number, ..Day::default() });
        }
        &mut self.days[place]
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    #[test]
    fn all_counts_add_up() {
        let mut numbers = 1..;
        let mut counts = Counts::default();
        counts.fields_mut().into_iter().for_each(|field| *field = numbers.next().unwrap());
        let fields = counts.fields();
        // No field stands for another one.
        assert_eq!((fields, counts.failed_handshakes), ([1, 2, 3, 4, 5, 6, 7, 8, 9], 7));
        let mut book = Book::default();
        book.count(100, Arm::Offered, &counts);
        book.count(101, Arm::Offered, &counts);
        assert_eq!(book.counts(Arm::Offered).fields(), fields.map(|field| 2 * field));
        assert_eq!(book.counts(Arm::Withheld), Counts::default());
    }

    #[test]
    fn days_are_forgotten_and_bounded() {
        let (mut book, mut random) = (Book::default(), fastrand::Rng::with_seed(1));
        for day in [100, 102, 101, 110] {
            for visitor in 0..3000 {
                book.record(day, sample(visitor, 1), &mut random);
            }
            book.count(day, Arm::Offered, &Counts { visitors: 2, ..Counts::default() });
        }
        let numbers = |book: &Book| book.days.iter().map(|day| day.number).collect::<Vec<_>>();
        assert_eq!(numbers(&book), [100, 101, 102, 110]);
        assert!(book.days.iter().all(|day| day.answers.kept.len() == Book::DAY_SAMPLES));
        assert_eq!(book.counts(Arm::Offered).visitors, 8);
        assert_eq!(book.counts(Arm::Withheld).visitors, 0);
        // The clock was wrong on day 110.
        book.forget(103, 2);
        assert_eq!(numbers(&book), [102]);
    }
}
