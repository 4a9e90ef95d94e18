//! Keys of one purpose that all machines have: of session tickets, for instance. One machine makes
//! the next generation and publishes it; each uses it only when all that ask the engine have read
//! it, and accepts the generations before it for a while.
//!
//! A machine uses a generation when it has found it at the engine twice, so far apart that all
//! others have asked in between: no clock of the engine is trusted for that, which jumps when
//! another server takes over. Only what is older than any such jump may be used at first sight.

use std::time::Duration;

use super::Stamp;

/// The times of a rotation.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Between the first sight of a generation and its use: more than the time between two
    /// questions of a machine, with the time that an answer takes.
    pub wait: Duration,
    /// Between two generations.
    pub period: Duration,
    /// How long nothing was published when a generation may be used at first sight: as long as
    /// clocks are apart, and `wait` in addition.
    pub aged: Duration,
    /// How many generations are accepted.
    pub kept: usize,
}

/// One key and its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    pub id: [u8; 16],
    pub secret: [u8; 32],
    /// The fencing number of the machine that published it.
    pub published: Stamp,
    /// Tells one publication from another: a random number.
    pub edition: u64,
}

/// What one machine knows of them.
#[derive(Debug, Clone)]
pub struct Keys {
    times: Times,
    known: Vec<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    generation: Generation,
    seen: Duration,
    is_usable: bool,
    /// Whether the engine had it when asked last.
    is_there: bool,
}

/// A question to the engine, with the machine's steady clock.
#[derive(Debug, Clone, Copy)]
pub struct Read {
    pub sent: Duration,
    pub received: Duration,
    /// The engine's clock.
    pub engine: Stamp,
    /// The version of the entry, which the engine set when it was written: a fencing number may be
    /// much older than what was written with it.
    pub version: Stamp,
}

impl Keys {
    pub fn new(times: Times) -> Self {
        Self { times, known: Vec::new() }
    }

    /// Takes what the engine has.
    pub fn read(&mut self, shown: &[Generation], read: Read) {
        self.known.iter_mut().for_each(|known| known.is_there = false);
        for generation in shown {
            let known = self.known.iter_mut().find(|known| known.generation.id == generation.id);
            match known {
                Some(known) if known.generation == *generation => known.is_there = true,
                // The engine had lost it: others have to read it first.
                Some(known) => *known = Known::new(*generation, read.received),
                None => self.known.push(Known::new(*generation, read.received)),
            }
        }
        let Times { wait, aged, .. } = self.times;
        let aged = u64::try_from(aged.as_micros()).unwrap_or(u64::MAX);
        let is_aged = read.engine.saturating_sub(read.version) >= aged;
        for known in self.known.iter_mut().filter(|known| known.is_there) {
            known.is_usable |= is_aged || read.sent >= known.seen + wait;
        }
        self.known.sort_by_key(|known| order(&known.generation));
        self.retire(shown);
    }

    /// The generation to use, if the engine has one that all others know.
    pub fn current(&self) -> Option<&Generation> {
        let usable = self.known.iter().filter(|known| known.is_there && known.is_usable);
        usable.map(|known| &known.generation).next_back()
    }

    /// All generations that are accepted.
    pub fn accepted(&self) -> impl Iterator<Item = &Generation> {
        self.known.iter().map(|known| &known.generation)
    }

    /// Whether something has to be published: a new generation, or what the engine has lost.
    pub fn is_due(&self, engine: Stamp) -> bool {
        let period = u64::try_from(self.times.period.as_micros()).unwrap_or(u64::MAX);
        match self.known.last() {
            Some(last) => {
                self.lost().next().is_some()
                    || engine.saturating_sub(last.generation.published) >= period
            }
            None => true,
        }
    }

    /// What to publish under a lease with this fencing number; `fresh` is a new generation.
    pub fn proposal(&self, fence: Stamp, fresh: Generation) -> Vec<Generation> {
        let mut all: Vec<Generation> = self.there().copied().collect();
        let before = all.len();
        let edition = fresh.edition;
        all.extend(self.lost().map(|lost| Generation { published: fence, edition, ..*lost }));
        if all.len() == before {
            all.push(Generation { published: fence, ..fresh });
        }
        all.sort_by_key(order);
        all.split_off(all.len().saturating_sub(self.times.kept))
    }

    fn there(&self) -> impl Iterator<Item = &Generation> {
        self.known.iter().filter(|known| known.is_there).map(|known| &known.generation)
    }

    fn lost(&self) -> impl Iterator<Item = &Generation> {
        self.known.iter().filter(|known| !known.is_there).map(|known| &known.generation)
    }

    /// Forgets what is older than all that a full engine has, and what is too much.
    fn retire(&mut self, shown: &[Generation]) {
        let oldest = shown.iter().map(order).min();
        if let Some(oldest) = oldest.filter(|_| shown.len() >= self.times.kept) {
            self.known.retain(|known| known.is_there || order(&known.generation) > oldest);
        }
        // What is there stays.
        while self.known.len() > 2 * self.times.kept {
            let Some(at) = self.known.iter().position(|known| !known.is_there) else { return };
            self.known.remove(at);
        }
    }
}

impl Known {
    fn new(generation: Generation, seen: Duration) -> Self {
        Self { generation, seen, is_usable: false, is_there: true }
    }
}

/// The same on all machines.
fn order(generation: &Generation) -> (Stamp, [u8; 16]) {
    (generation.published, generation.id)
}

impl std::fmt::Debug for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (id, published) = (&self.id[..4], self.published);
        f.debug_struct("Generation").field("id", &id).field("published", &published).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times {
        wait: Duration::from_secs(10),
        period: Duration::from_secs(3600),
        aged: Duration::from_secs(600),
        kept: 3,
    };
    const SECOND: u64 = 1_000_000;

    fn generation(id: u8, published: Stamp) -> Generation {
        Generation { id: [id; 16], secret: [id; 32], published, edition: published }
    }

    fn at(second: u64) -> Read {
        let now = Duration::from_secs(second);
        let version = 100 * SECOND;
        Read { sent: now, received: now, engine: second * SECOND, version }
    }

    fn current(keys: &Keys) -> Option<u8> {
        keys.current().map(|generation| generation.id[0])
    }

    #[test]
    fn a_generation_is_used_once_all_have_had_time_to_read_it() {
        let mut keys = Keys::new(TIMES);
        let one = generation(1, 100 * SECOND);
        for (second, expected) in [(101, None), (110, None), (111, Some(1))] {
            keys.read(&[one], at(second));
            assert_eq!(current(&keys), expected, "{second}");
        }
        let two = generation(2, 120 * SECOND);
        for (second, expected) in [(121, 1), (130, 1), (131, 2)] {
            keys.read(&[one, two], at(second));
            assert_eq!(current(&keys), Some(expected), "{second}");
            assert_eq!(keys.accepted().count(), 2);
        }
    }

    #[test]
    fn a_machine_that_joins_uses_old_ones_at_once() {
        for (second, expected) in [(699, None), (700, Some(2))] {
            let mut keys = Keys::new(TIMES);
            keys.read(&[generation(1, 10 * SECOND), generation(2, 90 * SECOND)], at(second));
            assert_eq!(current(&keys), expected, "{second}");
        }
    }

    #[test]
    fn what_the_engine_lost_is_accepted_published_and_waited_for() {
        let mut keys = Keys::new(TIMES);
        let one = generation(1, 100 * SECOND);
        keys.read(&[one], at(101));
        keys.read(&[one], at(112));
        assert!(!keys.is_due(112 * SECOND));
        keys.read(&[], at(113));
        assert_eq!((current(&keys), keys.accepted().count()), (None, 1));
        assert!(keys.is_due(113 * SECOND));
        // Under the lease of the first publication.
        let again = keys.proposal(100 * SECOND, generation(9, 0));
        assert_eq!(again, [Generation { edition: 0, ..one }]);
        keys.read(&again, at(115));
        assert_eq!(current(&keys), None);
        keys.read(&again, at(125));
        assert_eq!(current(&keys), Some(1));
    }

    #[test]
    fn the_oldest_are_dropped() {
        let mut keys = Keys::new(TIMES);
        assert!(keys.is_due(0));
        let mut shown = Vec::new();
        for round in 1..8u8 {
            let second = u64::from(round) * 4000;
            assert!(keys.is_due(second * SECOND));
            shown = keys.proposal(second * SECOND, generation(round, 0));
            keys.read(&shown, at(second));
        }
        let ids: Vec<u8> = shown.iter().map(|generation| generation.id[0]).collect();
        assert_eq!(ids, [5, 6, 7]);
        assert_eq!(keys.accepted().count(), 3);
    }
}
