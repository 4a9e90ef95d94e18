//! For tests: the engine as its scripts behave, with the faults of a real one: it fails over and
//! has lost the last writes, comes back empty, and its clock jumps.

use super::Stamp;
use super::keys::Generation;
use super::lease::{Answer, Question, TTL};

/// The time at which a test begins, by the slowest clock.
const EPOCH: Stamp = 1 << 40;

/// A mistake that a test plants, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planted {
    Nothing,
    /// The engine takes what a machine writes whose lease is over.
    NoFence,
    /// A machine believes in its lease from the answer on.
    CountsFromAnswer,
    /// A machine uses a key when it sees it.
    UsesAtOnce,
    /// A machine trusts the engine's clock for the age of a key.
    TrustsClock,
    /// A machine uses a key for as long as it has it.
    NoAge,
    /// The engine takes what a machine publishes without a lease, or without having read what is
    /// there.
    AnyPublishes,
    /// What the engine lost gets a new version.
    RestoresAsNew,
}

/// An entry: which write it is of, and its version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) version: Option<Stamp>,
    pub(super) content: u32,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Data {
    pub(super) entry: Entry,
    pub(super) keys: Vec<Generation>,
    keys_version: Stamp,
    holder: Option<usize>,
    fence: Stamp,
    until: Stamp,
    /// The highest fencing number with which something was written.
    pub(super) written_with: Stamp,
}

/// What a machine sends.
#[derive(Debug, Clone)]
pub(super) enum Command {
    Lease(Question),
    Poll,
    /// Replaces the entry of this version.
    Put {
        fence: Stamp,
        before: Option<Stamp>,
        content: u32,
    },
    Restore(Entry),
    Publish {
        fence: Stamp,
        before: Stamp,
        keys: Vec<Generation>,
    },
}

#[derive(Debug, Clone)]
pub(super) enum Reply {
    Lease(Answer),
    Poll {
        now: Stamp,
        entry: Entry,
        keys: Vec<Generation>,
        keys_version: Stamp,
    },
    /// The new version.
    Written(Stamp),
    Refused,
}

#[derive(Debug, Clone)]
pub(super) struct Engine {
    pub(super) data: Data,
    /// What another server has of it.
    replica: Data,
    /// Its clock is ahead of time by so much.
    ahead: Stamp,
    planted: Planted,
}

impl Engine {
    pub(super) fn new(planted: Planted) -> Self {
        Self { data: Data::default(), replica: Data::default(), ahead: EPOCH, planted }
    }

    pub(super) fn replicate(&mut self) {
        self.replica = self.data.clone();
    }

    /// Another server takes over, whose clock is ahead of the slowest one by so much.
    pub(super) fn fail_over(&mut self, ahead: Stamp) {
        self.data = self.replica.clone();
        self.ahead = EPOCH + ahead;
    }

    pub(super) fn lose_all(&mut self) {
        self.data = Data::default();
        self.replica = Data::default();
    }

    /// `seen` is the highest number that the machine has seen.
    pub(super) fn handle(
        &mut self,
        machine: usize,
        command: &Command,
        seen: Stamp,
        time: Stamp,
    ) -> Reply {
        let now = time + self.ahead;
        let data = &mut self.data;
        match command {
            Command::Lease(question) => Reply::Lease(data.lease(machine, *question, seen, now)),
            Command::Poll => Reply::Poll {
                now,
                entry: data.entry,
                keys: data.keys.clone(),
                keys_version: data.keys_version,
            },
            Command::Put { fence, before, content } => {
                let is_right =
                    data.may_write(machine, *fence, now) && *before == data.entry.version;
                if !is_right && self.planted != Planted::NoFence {
                    return Reply::Refused;
                }
                // As a random number does it at the real one.
                let salt = Stamp::from(content.wrapping_mul(0x9e37_79b1) >> 16);
                let version = data.entry.version.unwrap_or(0).max(now).max(seen) + 1 + salt;
                data.entry = Entry { version: Some(version), content: *content };
                data.written_with = data.written_with.max(*fence);
                Reply::Written(version)
            }
            Command::Restore(entry) if entry.version <= data.entry.version => Reply::Refused,
            Command::Restore(entry) => {
                let version = match self.planted {
                    Planted::RestoresAsNew => now.max(seen) + 1,
                    _ => entry.version.unwrap_or_default(),
                };
                data.entry = Entry { version: Some(version), ..*entry };
                Reply::Written(version)
            }
            Command::Publish { fence, before, keys } => {
                let is_right = data.may_write(machine, *fence, now) && *before == data.keys_version;
                if !is_right && self.planted != Planted::AnyPublishes {
                    return Reply::Refused;
                }
                data.keys_version = data.keys_version.max(now).max(seen) + 1;
                data.keys.clone_from(keys);
                Reply::Written(data.keys_version)
            }
        }
    }
}

fn ttl() -> Stamp {
    Stamp::try_from(TTL.as_micros()).unwrap()
}

impl Data {
    /// The clock of the server before may have been ahead.
    fn shorten(&mut self, now: Stamp) {
        self.until = self.until.min(now + ttl());
    }

    fn lease(&mut self, machine: usize, question: Question, seen: Stamp, now: Stamp) -> Answer {
        let ttl = ttl();
        let is_ours = self.holder == Some(machine);
        match question {
            Question::Acquire => {
                self.shorten(now);
                if self.holder.is_some() && self.until > now && !is_ours {
                    return Answer::Taken(std::time::Duration::from_micros(self.until - now));
                }
                self.fence = (self.fence + 1).max(now).max(seen + 1);
                (self.holder, self.until) = (Some(machine), now + ttl);
                Answer::Granted(self.fence)
            }
            Question::Renew(fence) if is_ours && fence == self.fence => {
                self.until = now + ttl;
                Answer::Granted(fence)
            }
            Question::Renew(_) => Answer::Lost,
            Question::Release(fence) => {
                if is_ours && fence == self.fence {
                    self.holder = None;
                }
                Answer::Released
            }
        }
    }

    fn may_write(&mut self, machine: usize, fence: Stamp, now: Stamp) -> bool {
        self.shorten(now);
        let is_taken = self.holder.is_some() && self.until > now;
        // A higher one is of a grant that this server has lost.
        fence == self.fence && (!is_taken || self.holder == Some(machine))
    }
}
