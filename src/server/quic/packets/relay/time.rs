//! The engine's time as this process knows it. Where it jumps, as when a server with another clock
//! takes over, the machines learn so one after another: until one has shown that it knows, it is
//! sent the time before, and that is taken of all for longer.

use std::time::Duration;

/// Seconds by which the clock must jump, for that to matter.
const JUMP: u64 = 15;
/// How long after a jump messages have the time before: each machine has asked the engine by then.
const SENT: Duration = Duration::from_secs(30);
/// How long they are taken with it: who learned of the jump last sends it for so long.
const TAKEN: Duration = Duration::from_secs(60);

/// The engine's time.
#[derive(Debug, Default)]
pub(super) struct EngineTime {
    /// In seconds at our begin; 0: not known.
    begin: u64,
    jump: Option<Jump>,
}

#[derive(Debug)]
struct Jump {
    /// What `begin` was before.
    before: u64,
    /// When this process learned of it, counted from its begin.
    at: Duration,
}

/// The times that messages may have, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) now: u32,
    /// By the clock before it jumped, while that counts.
    pub(super) before: Option<u32>,
}

impl Times {
    /// Whether this time is one by the clock of now.
    pub(super) fn is_current(self, time: u32) -> bool {
        self.before.is_none_or(|before| self.now.abs_diff(time) <= before.abs_diff(time))
    }
}

impl EngineTime {
    /// `seconds` is what the engine says, `now` the time since our begin.
    pub(super) fn learn(&mut self, seconds: u64, now: Duration) {
        let begin = seconds.saturating_sub(now.as_secs());
        let is_jump = self.begin > 0 && self.begin.abs_diff(begin) > JUMP;
        // Of two in a row others may have missed the first.
        if is_jump && !self.has_jumped(now) {
            self.jump = Some(Jump { before: self.begin, at: now });
        }
        self.begin = begin;
    }

    /// The time, if it is known.
    pub(super) fn seconds(&self, now: Duration) -> Option<u64> {
        (self.begin > 0).then(|| self.begin.saturating_add(now.as_secs()))
    }

    /// Whether there was a jump that not all machines may know of.
    pub(super) fn has_jumped(&self, now: Duration) -> bool {
        self.before(now, SENT).is_some()
    }

    /// The time of a message to a machine that has last used the clock of now at `told`.
    pub(super) fn sent(&self, now: Duration, told: Option<Duration>) -> Option<u32> {
        let knows = self.jump.as_ref().is_none_or(|jump| told.is_some_and(|at| at >= jump.at));
        let before = self.before(now, SENT).filter(|_| !knows);
        before.or_else(|| self.seconds(now)).map(counted)
    }

    /// The times with which messages are taken.
    pub(super) fn taken(&self, now: Duration) -> Option<Times> {
        let before = self.before(now, TAKEN).map(counted);
        Some(Times { now: counted(self.seconds(now)?), before })
    }

    /// The time by the clock before a jump, for so long.
    fn before(&self, now: Duration, most: Duration) -> Option<u64> {
        let jump = self.jump.as_ref().filter(|jump| now.saturating_sub(jump.at) < most)?;
        Some(jump.before.saturating_add(now.as_secs()))
    }
}

fn counted(seconds: u64) -> u32 {
    // Both sides count round after 2^32 seconds.
    seconds as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_jump_is_followed_when_others_know_of_it() {
        let mut time = EngineTime::default();
        assert_eq!((time.seconds(SECOND), time.sent(SECOND, None)), (None, None));
        time.learn(1001, SECOND);
        // The way takes its time.
        time.learn(1012, 10 * SECOND);
        let steady = Times { now: 1022, before: None };
        assert_eq!(time.taken(20 * SECOND), Some(steady));
        assert_eq!(time.sent(20 * SECOND, None), Some(1022));
        time.learn(5022, 20 * SECOND);
        assert_eq!(time.seconds(30 * SECOND), Some(5032));
        // To one that was last heard before the jump, and one that was heard after it.
        assert_eq!(time.sent(30 * SECOND, Some(19 * SECOND)), Some(1032));
        assert_eq!(time.sent(30 * SECOND, Some(21 * SECOND)), Some(5032));
        let both = Times { now: 5032, before: Some(1032) };
        assert_eq!(time.taken(30 * SECOND), Some(both));
        assert!(both.is_current(5040) && !both.is_current(1040));
        // A second jump, of which the first part was missed.
        time.learn(9040, 38 * SECOND);
        assert_eq!(time.sent(40 * SECOND, None), Some(1042));
        assert_eq!(time.sent(50 * SECOND, None), Some(9052));
        assert_eq!(time.taken(79 * SECOND), Some(Times { now: 9081, before: Some(1081) }));
        assert_eq!(time.taken(80 * SECOND), Some(Times { now: 9082, before: None }));
    }
}
