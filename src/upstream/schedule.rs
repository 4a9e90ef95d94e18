//! Who does what is to be done again and again, where several ask for it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// When something was last done. Rules that name the same upstream, and a generation that
/// follows another, do it once between them.
#[derive(Debug, Default)]
pub struct Schedule(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    done: Option<Instant>,
    running: bool,
}

impl Schedule {
    /// The turn to do it, if nobody is at it and it was last done `every` ago; else when to ask
    /// again.
    pub fn claim(&self, every: Duration) -> Result<Claim<'_>, Instant> {
        let mut last = self.lock();
        let now = Instant::now();
        let due = last.done.map_or(now, |done| done + every);
        if last.running || due > now {
            return Err(if due > now { due } else { now + every });
        }
        last.running = true;
        Ok(Claim { schedule: self, done: false })
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn. Where it is dropped before it is done, somebody else has it at once.
#[derive(Debug)]
pub struct Claim<'a> {
    schedule: &'a Schedule,
    done: bool,
}

impl Claim<'_> {
    pub fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut last = self.schedule.lock();
        last.running = false;
        if self.done {
            last.done = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_the_turn_and_one_that_breaks_off_gives_it_back() {
        let hour = Duration::from_secs(3600);
        let schedule = Schedule::default();
        let turn = schedule.claim(hour).unwrap();
        assert!(schedule.claim(hour).is_err());
        drop(turn);
        schedule.claim(hour).unwrap().done();
        assert!(schedule.claim(hour).unwrap_err() > Instant::now());
        assert!(schedule.claim(Duration::ZERO).is_ok());
    }
}
