//! What a machine knows of the keys of session tickets, and what its handshakes use of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::Stamp;
use super::super::keys::{Generation, Keys, LENGTH, Passed, Read, Times};
use crate::limits::{FLEET_ANSWER, FLEET_POLL};
use crate::tls::tickets::{self, TicketKey, TicketKeys};

/// Clocks are no further apart, unless one is wrong by any time.
const APART: Duration = Duration::from_secs(300);
/// A generation, its age in microseconds, and whether it is usable.
const PASSED: usize = LENGTH + 8 + 1;

#[derive(Debug)]
pub(super) struct Tickets {
    handshakes: Arc<TicketKeys>,
    inside: Mutex<Inside>,
}

#[derive(Debug)]
struct Inside {
    keys: Keys,
    /// What the engine had when it was read last.
    found: Option<Found>,
}

/// What the engine has.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) version: Stamp,
    pub(super) keys: Vec<Generation>,
}

/// A key is used for `period`, and accepted for twice as long after; without the engine it is used
/// for four periods and accepted for six.
fn times(period: Duration) -> Times {
    let wait = FLEET_POLL + 2 * FLEET_ANSWER;
    Times { wait, period, aged: APART + wait, kept: 3, used: 4 * period, life: 6 * period }
}

impl Tickets {
    /// Goes on with what the process before this one has passed. Listeners that are built later
    /// have the keys.
    pub(super) fn new(period: Duration, passed: Option<&[u8]>, now: Duration) -> Self {
        let (passed, _) = passed.unwrap_or_default().as_chunks::<PASSED>();
        let passed: Vec<_> = passed.iter().filter_map(read_passed).collect();
        let keys = Keys::resumed(times(period), &passed, now);
        let handshakes = tickets::share(2 * period);
        let tickets = Self { handshakes, inside: Mutex::new(Inside { keys, found: None }) };
        tickets.show(now);
        tickets
    }

    /// For the next process.
    pub(super) fn pass(&self, now: Duration) -> Vec<u8> {
        self.locked().keys.pass(now).iter().flat_map(write_passed).collect()
    }

    /// Gives the keys of now to the handshakes.
    pub(super) fn show(&self, now: Duration) {
        let inside = self.locked();
        let used = inside.keys.current(now).map(|key| key.id);
        let key = |key: &Generation| TicketKey { name: key.id, secret: key.secret };
        let accepted: Vec<_> = inside.keys.accepted(now).map(key).collect();
        if !self.handshakes.are(used, &accepted) {
            self.handshakes.replace(used, &accepted);
        }
    }

    /// What the engine had when it was read last.
    pub(super) fn found(&self) -> Option<Found> {
        self.locked().found.clone()
    }

    /// Takes what the engine has.
    pub(super) fn read(&self, found: Option<Found>, read: Read) {
        let mut inside = self.locked();
        let shown = found.as_ref().map_or(&[][..], |found| &found.keys);
        inside.keys.read(shown, read);
        inside.found = found;
        drop(inside);
        self.show(read.received);
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.locked().keys.is_due(now)
    }

    pub(super) fn proposal(&self, fence: Stamp, fresh: Generation) -> Vec<Generation> {
        self.locked().keys.proposal(fence, fresh)
    }

    fn locked(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_passed(passed: &Passed) -> [u8; PASSED] {
    let age = u64::try_from(passed.age.as_micros()).unwrap_or(u64::MAX).to_be_bytes();
    let generation = passed.generation.to_bytes();
    // The last one stays.
    let mut bytes = [u8::from(passed.is_usable); PASSED];
    bytes.iter_mut().zip(generation.iter().chain(&age)).for_each(|(to, from)| *to = *from);
    bytes
}

fn read_passed(bytes: &[u8; PASSED]) -> Option<Passed> {
    let (generation, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let (age, rest) = rest.split_first_chunk::<8>()?;
    Some(Passed {
        generation: Generation::from_bytes(generation)?,
        age: Duration::from_micros(u64::from_be_bytes(*age)),
        is_usable: rest == [1],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::limits::FLEET_TICKETS;

    #[test]
    fn what_is_passed_is_read() {
        for is_usable in [true, false] {
            let generation = Generation::fresh().unwrap();
            let passed = Passed { generation, age: Duration::from_micros(7_000_001), is_usable };
            assert_eq!(read_passed(&write_passed(&passed)), Some(passed));
        }
    }

    #[test]
    fn others_have_asked_before_a_key_is_used() {
        let times = times(FLEET_TICKETS);
        assert!(times.wait > FLEET_POLL + FLEET_ANSWER);
        assert!(times.aged >= APART + times.wait);
        // What a client may keep is accepted for as long.
        assert!(times.life >= times.used + 2 * times.period);
    }
}
