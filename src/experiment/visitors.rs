//! The visitors of one day: in memory only, and gone when the day ends.

use std::collections::HashMap;
use std::time::Instant;

use super::draw::Visitor;
use super::events::Connected;
use crate::limits::QUIC_REPORT_VISITORS;
use crate::quic_report::Sample;

/// Answers of one visitor that are kept of a day, before and after it was told of its arm.
const ANSWERS: u8 = 16;
/// Beacons of one visitor that are kept of a day.
const BEACONS: u8 = 8;

#[derive(Default)]
pub(super) struct Visitors {
    day: u32,
    known: HashMap<u64, Seen>,
}

/// What is known of a visitor.
pub(super) struct Seen {
    /// Drawn, so that nobody who knows the address and the key finds it.
    pub(super) number: u16,
    /// The round trip on the connection on which it was told of its arm.
    pub(super) rtt: u16,
    /// When that was.
    pub(super) told: Instant,
    before: u8,
    after: u8,
    beacons: u8,
}

impl Visitors {
    /// A visitor who is told of its arm; true if it is new. There is no place for more than a day
    /// may have.
    pub(super) fn told(
        &mut self,
        visitor: Visitor,
        by: &Connected,
        random: &mut fastrand::Rng,
    ) -> bool {
        if visitor.day > self.day {
            self.day = visitor.day;
            self.known.clear();
        }
        if visitor.day < self.day {
            return false;
        }
        if let Some(seen) = self.known.get_mut(&visitor.id) {
            seen.told = seen.told.min(by.at);
            return false;
        }
        if self.known.len() >= QUIC_REPORT_VISITORS {
            return false;
        }
        self.known.insert(
            visitor.id,
            Seen {
                number: random.u16(..),
                rtt: Sample::round_trip(by.rtt),
                told: by.at,
                before: 0,
                after: 0,
                beacons: 0,
            },
        );
        true
    }

    pub(super) fn get(&mut self, visitor: Visitor) -> Option<&mut Seen> {
        let is_today = visitor.day == self.day;
        self.known.get_mut(&visitor.id).filter(|_| is_today)
    }
}

impl Seen {
    /// Whether one more answer is kept.
    pub(super) fn may_answer(&mut self, was_told: bool) -> bool {
        let count = if was_told { &mut self.after } else { &mut self.before };
        take(count, ANSWERS)
    }

    /// Whether one more beacon is kept.
    pub(super) fn may_report(&mut self) -> bool {
        take(&mut self.beacons, BEACONS)
    }
}

fn take(count: &mut u8, most: u8) -> bool {
    let is_left = *count < most;
    *count += u8::from(is_left);
    is_left
}
