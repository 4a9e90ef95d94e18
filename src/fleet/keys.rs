//! Keys of one purpose that all machines have: of session tickets, for instance. One machine makes
//! the next generation and publishes it; each uses it only when all that ask the engine have read
//! it, and accepts the generations before it for a while.
//!
//! A machine uses a generation when it has found it at the engine twice, so far apart that all
//! others have asked in between: no clock of the engine is trusted for that, which jumps when
//! another server takes over. Only what is older than any such jump may be used at first sight.
//!
//! What is in use stays so while the engine is away or has lost it, until it is too old. Its age is
//! counted by the machine's own clock from when it was first seen.

use std::time::Duration;

use aws_lc_rs::rand::fill;

use super::Stamp;

/// Bytes of a generation.
pub const LENGTH: usize = 16 + 32 + 3 * 8;

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
    /// The age at which one is used no longer, if there is no other.
    pub used: Duration,
    /// The age at which one is accepted no longer.
    pub life: Duration,
}

/// One key and its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    pub id: [u8; 16],
    pub secret: [u8; 32],
    /// The fencing number of the machine that published it.
    pub published: Stamp,
    /// That of its first publication.
    pub made: Stamp,
    /// Tells one publication from another: a random number.
    pub edition: u64,
}

/// What one machine knows of them.
#[derive(Debug, Clone)]
pub struct Keys {
    times: Times,
    known: Vec<Known>,
    has_read: bool,
}

#[derive(Debug, Clone)]
struct Known {
    generation: Generation,
    /// When this publication was first seen.
    seen: Duration,
    /// Its age at `told`.
    age: Duration,
    told: Duration,
    is_usable: bool,
    /// Whether the engine had it when asked last.
    is_there: bool,
}

/// A generation as a process passes it to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    pub generation: Generation,
    pub age: Duration,
    pub is_usable: bool,
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
        Self { times, known: Vec::new(), has_read: false }
    }

    /// With what the process before this one had.
    pub fn resumed(times: Times, passed: &[Passed], now: Duration) -> Self {
        let known = passed.iter().map(|&Passed { generation, age, is_usable }| Known {
            generation,
            seen: now,
            age,
            told: now,
            is_usable,
            is_there: false,
        });
        Self { known: known.collect(), ..Self::new(times) }
    }

    /// For the next process.
    pub fn pass(&self, now: Duration) -> Vec<Passed> {
        let passed = |known: &Known| Passed {
            generation: known.generation,
            age: known.age(now),
            is_usable: known.is_usable,
        };
        self.known.iter().map(passed).collect()
    }

    /// Takes what the engine has.
    pub fn read(&mut self, shown: &[Generation], read: Read) {
        self.known.iter_mut().for_each(|known| known.is_there = false);
        for generation in shown {
            let age = self.age_of(generation, read.engine);
            match self.known.iter_mut().find(|known| known.generation.id == generation.id) {
                Some(known) => known.found(*generation, read.received),
                None => self.known.push(Known::new(*generation, read, age)),
            }
        }
        self.has_read = true;
        let Times { wait, aged, .. } = self.times;
        let is_aged = read.engine.saturating_sub(read.version) >= micros(aged);
        for known in self.known.iter_mut().filter(|known| known.is_there) {
            known.is_usable |= is_aged || read.sent >= known.seen + wait;
        }
        self.known.sort_by_key(|known| order(&known.generation));
        self.retire(shown, read.received);
    }

    /// The generation to use, if there is one that all others know.
    pub fn current(&self, now: Duration) -> Option<&Generation> {
        let used = self.times.used;
        let usable = || self.known.iter().filter(|one| one.is_usable && one.age(now) < used);
        // What the engine has lost is published again, and the others have it still.
        let there = usable().rfind(|known| known.is_there);
        there.or_else(|| usable().next_back()).map(|known| &known.generation)
    }

    /// All generations that are accepted.
    pub fn accepted(&self, now: Duration) -> impl Iterator<Item = &Generation> {
        let known = self.known.iter().filter(move |known| known.age(now) < self.times.life);
        known.map(|known| &known.generation)
    }

    /// Whether something has to be published: a new generation, or what the engine has lost.
    pub fn is_due(&self, now: Duration) -> bool {
        self.known
            .last()
            .is_none_or(|last| self.lost().next().is_some() || last.age(now) >= self.times.period)
    }

    /// What to publish under a lease with this fencing number; `fresh` is a new generation.
    pub fn proposal(&self, fence: Stamp, fresh: Generation) -> Vec<Generation> {
        let mut all: Vec<Generation> = self.there().copied().collect();
        let before = all.len();
        let edition = fresh.edition;
        all.extend(self.lost().map(|lost| Generation { published: fence, edition, ..*lost }));
        if all.len() == before {
            all.push(Generation { published: fence, made: fence, ..fresh });
        }
        all.sort_by_key(order);
        all.split_off(all.len().saturating_sub(self.times.kept))
    }

    /// Of one that is seen for the first time. Where the engine's clock was wrong by years when it
    /// was made, a machine that has just begun cannot tell: it is replaced soon.
    fn age_of(&self, generation: &Generation, engine: Stamp) -> Duration {
        let Times { period, aged, .. } = self.times;
        match engine.checked_sub(generation.made) {
            Some(age) => Duration::from_micros(age),
            None if self.has_read => Duration::ZERO,
            None => period.saturating_sub(aged),
        }
    }

    fn there(&self) -> impl Iterator<Item = &Generation> {
        self.known.iter().filter(|known| known.is_there).map(|known| &known.generation)
    }

    fn lost(&self) -> impl Iterator<Item = &Generation> {
        self.known.iter().filter(|known| !known.is_there).map(|known| &known.generation)
    }

    /// Forgets what is older than all that a full engine has, what is too old, and what is too
    /// much. What is there stays.
    fn retire(&mut self, shown: &[Generation], now: Duration) {
        let oldest = shown.iter().map(order).min();
        let oldest = oldest.filter(|_| shown.len() >= self.times.kept);
        let life = self.times.life;
        self.known.retain(|known| {
            let is_younger = oldest.is_none_or(|oldest| order(&known.generation) > oldest);
            known.is_there || (is_younger && known.age(now) < life)
        });
        while self.known.len() > 2 * self.times.kept {
            let Some(at) = self.known.iter().position(|known| !known.is_there) else { return };
            self.known.remove(at);
        }
    }
}

impl Known {
    fn new(generation: Generation, read: Read, age: Duration) -> Self {
        let Read { sent, received, .. } = read;
        Self { generation, seen: received, age, told: sent, is_usable: false, is_there: true }
    }

    fn found(&mut self, generation: Generation, now: Duration) {
        // Published anew, as the engine had lost it: what is used already stays so.
        if self.generation != generation {
            (self.generation, self.seen) = (generation, now);
        }
        self.is_there = true;
    }

    fn age(&self, now: Duration) -> Duration {
        self.age + now.saturating_sub(self.told)
    }
}

impl Generation {
    /// A new key; `None` if there are no random numbers.
    pub fn fresh() -> Option<Self> {
        let (mut id, mut secret, mut edition) = ([0; 16], [0; 32], [0; 8]);
        fill(&mut id).and_then(|()| fill(&mut secret)).and_then(|()| fill(&mut edition)).ok()?;
        Some(Self { id, secret, published: 0, made: 0, edition: u64::from_be_bytes(edition) })
    }

    pub fn to_bytes(self) -> [u8; LENGTH] {
        let Self { id, secret, published, made, edition } = self;
        let numbers = [published, made, edition].map(u64::to_be_bytes);
        let mut bytes = [0; LENGTH];
        let parts = id.iter().chain(&secret).chain(numbers.as_flattened());
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        bytes
    }

    pub fn from_bytes(bytes: &[u8; LENGTH]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let (secret, rest) = rest.split_first_chunk::<32>()?;
        let (numbers, _) = rest.as_chunks::<8>();
        let [published, made, edition] = *numbers else { return None };
        let [published, made, edition] = [published, made, edition].map(u64::from_be_bytes);
        Some(Self { id: *id, secret: *secret, published, made, edition })
    }
}

/// The same on all machines.
fn order(generation: &Generation) -> (Stamp, [u8; 16]) {
    (generation.published, generation.id)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (id, published) = (&self.id[..4], self.published);
        f.debug_struct("Generation").field("id", &id).field("published", &published).finish()
    }
}

#[cfg(test)]
mod tests;
