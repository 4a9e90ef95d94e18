//! A lease on a name: the engine grants it to one machine at a time, for a while, with a fencing
//! number that is higher than that of every grant before. A machine believes in its lease no longer
//! than the engine does: it counts from when it sent the question.

use std::collections::HashMap;
use std::time::Duration;

use super::Stamp;

/// How long a grant lasts, by the engine's clock.
pub const TTL: Duration = Duration::from_secs(30);
/// The part of that time in which a machine believes in it: clocks run at different speeds.
const BELIEVED: u32 = 9;
/// The part of that time after which it is renewed.
const RENEWED: u32 = 3;
/// The time between questions for a lease that another machine has.
const AGAIN: Duration = Duration::from_millis(500);

/// One machine's view of one lease.
#[derive(Debug, Clone, Default)]
pub struct Lease {
    is_wanted: bool,
    held: Option<Grant>,
    /// A grant to be given back.
    owed: Option<Stamp>,
    /// When the engine is asked next, by the machine's steady clock.
    next: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Grant {
    fence: Stamp,
    until: Duration,
}

/// What to ask the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    Acquire,
    Renew(Stamp),
    /// Of this grant: an answer may come late, and must not end a later one.
    Release(Stamp),
}

/// What the engine says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Granted(Stamp),
    /// Another machine has it, for this time at most.
    Taken(Duration),
    /// The grant to be renewed is not the last one.
    Lost,
    Released,
}

/// The questions that are due: those that keep or end a grant, then those that were due first.
pub fn questions(leases: &HashMap<String, Lease>, now: Duration) -> Vec<(String, Question)> {
    let due =
        |(name, lease): (&String, &Lease)| Some((lease.question(now)?, lease.next, name.clone()));
    let mut due: Vec<_> = leases.iter().filter_map(due).collect();
    due.sort_by_key(|(question, since, _)| (*question == Question::Acquire, *since));
    due.into_iter().map(|(question, _, name)| (name, question)).collect()
}

impl Lease {
    pub fn want(&mut self, now: Duration) {
        if !self.is_wanted {
            self.is_wanted = true;
            self.next = now;
        }
    }

    pub fn give_up(&mut self, now: Duration) {
        if self.is_wanted {
            self.is_wanted = false;
            self.owed = self.held.take().map(|grant| grant.fence);
            self.next = now;
        }
    }

    /// The question that is due.
    pub fn question(&self, now: Duration) -> Option<Question> {
        if now < self.next {
            return None;
        }
        match (self.is_wanted, self.held) {
            (true, Some(grant)) => Some(Question::Renew(grant.fence)),
            (true, None) => Some(Question::Acquire),
            (false, _) => self.owed.map(Question::Release),
        }
    }

    /// When to ask for the next question; `None` if there is none to come.
    pub fn due(&self) -> Option<Duration> {
        (!self.is_over()).then_some(self.next)
    }

    /// Notes that the question was sent.
    pub fn asked(&mut self, now: Duration) {
        // Of a question without an answer.
        self.next = now + AGAIN;
    }

    /// The answer to a question that was sent at `sent`.
    pub fn answered(&mut self, answer: Answer, sent: Duration) {
        match answer {
            Answer::Granted(fence) if self.is_wanted => {
                let until = sent + TTL * BELIEVED / 10;
                (self.held, self.owed) = (Some(Grant { fence, until }), None);
                self.next = sent + TTL / RENEWED;
            }
            // Wanted no longer: it is given back.
            Answer::Granted(fence) => (self.owed, self.next) = (Some(fence), sent),
            Answer::Taken(wait) => {
                (self.held, self.owed) = (None, None);
                self.next = sent + wait.clamp(AGAIN / 2, AGAIN);
            }
            Answer::Lost => {
                self.held = None;
                self.next = sent;
            }
            Answer::Released => self.owed = None,
        }
    }

    /// The fencing number, while this machine may believe that it holds the lease.
    pub fn fence(&self, now: Duration) -> Option<Stamp> {
        self.held.filter(|grant| now < grant.until).map(|grant| grant.fence)
    }

    /// Until when this machine may believe in what it was granted last.
    pub fn until(&self) -> Option<Duration> {
        self.held.map(|grant| grant.until)
    }

    /// Whether there is nothing left to ask.
    pub fn is_over(&self) -> bool {
        !self.is_wanted && self.owed.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn granted() -> Lease {
        let mut lease = Lease::default();
        lease.want(SECOND);
        assert_eq!(lease.question(SECOND), Some(Question::Acquire));
        lease.asked(SECOND);
        lease.answered(Answer::Granted(7), SECOND);
        lease
    }

    #[test]
    fn it_is_believed_for_less_than_it_lasts_and_renewed_before() {
        let mut lease = granted();
        assert_eq!(lease.question(10 * SECOND), None);
        assert_eq!(lease.question(11 * SECOND), Some(Question::Renew(7)));
        assert_eq!((lease.fence(27 * SECOND), lease.fence(28 * SECOND)), (Some(7), None));
        assert_eq!(lease.until(), Some(28 * SECOND));
        lease.asked(11 * SECOND);
        lease.answered(Answer::Granted(7), 11 * SECOND);
        assert_eq!(lease.fence(28 * SECOND), Some(7));
    }

    #[test]
    fn what_is_held_comes_before_what_is_wanted() {
        let wanted = |since: u32| {
            let mut lease = Lease::default();
            lease.want(since * SECOND);
            lease
        };
        let mut left = granted();
        left.give_up(20 * SECOND);
        let leases = [
            ("held", granted()),
            ("late", wanted(9)),
            ("left", left),
            ("early", wanted(2)),
            ("not yet", wanted(21)),
        ];
        let leases = leases.map(|(name, lease)| (name.to_owned(), lease)).into_iter().collect();
        let questions = questions(&leases, 20 * SECOND);
        let names: Vec<_> = questions.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["held", "left", "early", "late"]);
        assert_eq!(questions[1].1, Question::Release(7));
    }

    #[test]
    fn what_is_lost_is_asked_for_anew() {
        let mut lease = granted();
        lease.answered(Answer::Lost, 11 * SECOND);
        assert_eq!((lease.fence(11 * SECOND), lease.until()), (None, None));
        assert_eq!(lease.question(11 * SECOND), Some(Question::Acquire));
    }

    #[test]
    fn another_machine_is_waited_for() {
        let mut lease = Lease::default();
        lease.want(SECOND);
        lease.asked(SECOND);
        lease.answered(Answer::Taken(20 * SECOND), SECOND);
        assert_eq!(lease.question(SECOND), None);
        assert_eq!(lease.question(2 * SECOND), Some(Question::Acquire));
        lease.give_up(2 * SECOND);
        assert!(lease.is_over());
    }

    #[test]
    fn a_grant_is_given_back_even_if_it_comes_too_late() {
        let mut late = Lease::default();
        late.want(SECOND);
        late.asked(SECOND);
        late.give_up(2 * SECOND);
        late.answered(Answer::Granted(7), SECOND);
        let mut soon = granted();
        soon.give_up(2 * SECOND);
        for mut lease in [late, soon] {
            assert_eq!(lease.fence(2 * SECOND), None);
            assert_eq!(lease.question(2 * SECOND), Some(Question::Release(7)));
            lease.asked(2 * SECOND);
            lease.answered(Answer::Released, 2 * SECOND);
            assert!(lease.is_over());
        }
    }
}
