//! Periodic work that several tasks share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// When the work was last done. Rules with the same upstream, and successive configurations, share
/// one schedule, so that the work is done once per period.
#[derive(Debug, Default)]
pub struct Schedule(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    done: Option<Instant>,
    running: bool,
}

impl Schedule {
    /// Claims the work if it is due (last done `every` ago or earlier) and not running; else
    /// returns when to try again.
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

/// A claim on the work. If it is dropped before [`Self::done`], the work is due again at once.
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
