//! Enters what workers tell into the book: who had been told of its arm, and no visitor too often.

use std::time::{Duration, SystemTime};

use super::draw::{Visitor, day_of};
use super::events::{Answer, Beacon, Event, Figures};
use super::visitors::Visitors;
use crate::quic_report::{Book, Counts, Kind, Sample, Source};

pub(super) struct Ledger {
    book: Book,
    visitors: Visitors,
    random: fastrand::Rng,
    /// How often the book has changed.
    changes: u64,
}

impl Ledger {
    pub(super) fn new(book: Book, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { book, visitors: Visitors::default(), random, changes: 0 }
    }

    pub(super) fn book(&self) -> &Book {
        &self.book
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn add(&mut self, event: Event) {
        self.changes += 1;
        match event {
            Event::Connected(visitor, by) => {
                let is_new = self.visitors.told(visitor, &by, &mut self.random);
                self.count(
                    visitor,
                    Counts {
                        visitors: u64::from(is_new),
                        connections: 1,
                        http3_connections: u64::from(by.http3),
                        ..Counts::default()
                    },
                );
            }
            Event::Answered(visitor, answer) => self.answered(visitor, &answer),
            Event::Reported(visitor, beacon) => self.reported(visitor, &beacon),
            Event::NotConnected(visitor) => {
                self.count(visitor, Counts { failed_handshakes: 1, ..Counts::default() });
            }
            Event::Ended { visitor, http3, figures } => {
                let Figures { requests, failures, packets, lost } = figures;
                let http3_requests = if http3 { requests } else { 0 };
                let counts = Counts { requests, http3_requests, ..Counts::default() };
                self.count(visitor, Counts { failures, packets, lost, ..counts });
            }
        }
    }

    pub(super) fn forget(&mut self, now: SystemTime, keep: u32) {
        self.book.forget(day_of(now), keep);
    }

    fn count(&mut self, visitor: Visitor, more: Counts) {
        self.book.count(visitor.day, visitor.arm, &more);
    }

    fn answered(&mut self, visitor: Visitor, answer: &Answer) {
        let Some(seen) = self.visitors.get(visitor) else { return };
        let told = answer.requested > seen.told;
        if !seen.may_answer(told) {
            return;
        }
        let optional = |time: Option<Duration>| time.map_or(Sample::NOTHING, Sample::time);
        let sample = Sample {
            source: Source::Server,
            arm: visitor.arm,
            kind: answer.kind,
            rtt: seen.rtt,
            http3: answer.http3,
            told,
            visitor: seen.number,
            times: [optional(answer.setup), optional(answer.first), Sample::time(answer.last)],
        };
        self.book.record(visitor.day, sample, &mut self.random);
    }

    /// Only of visitors to whom pages were sent today.
    fn reported(&mut self, visitor: Visitor, beacon: &Beacon) {
        let Some(seen) = self.visitors.get(visitor) else { return };
        if !seen.may_report() {
            return;
        }
        let lcp = beacon.lcp.map_or(Sample::NOTHING, Sample::time);
        let sample = Sample {
            source: Source::Page,
            arm: visitor.arm,
            kind: Kind::Page,
            rtt: seen.rtt,
            http3: beacon.http3,
            told: beacon.at > seen.told,
            visitor: seen.number,
            times: [Sample::time(beacon.connect), Sample::time(beacon.response), lcp],
        };
        self.book.record(visitor.day, sample, &mut self.random);
    }
}
