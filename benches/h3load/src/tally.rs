//! What a run saw, and how it is told.

use std::fmt;
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Tally {
    pub ok: u64,
    pub bad: u64,
    pub non200: u64,
    pub bytes: u64,
    pub connections: u64,
    pub resumed: u64,
    pub lost: u64,
    pub elapsed: Duration,
    pub cpu: Duration,
    pub first_problem: Option<String>,
    latencies: Vec<u32>,
}

impl Tally {
    pub fn answered(&mut self, after: Duration) {
        self.ok += 1;
        self.latencies.push(u32::try_from(after.as_micros()).unwrap_or(u32::MAX));
    }

    /// A request that failed; the first reason is kept.
    pub fn failed(&mut self, reason: impl FnOnce() -> String) {
        self.bad += 1;
        self.first_problem.get_or_insert_with(reason);
    }

    pub fn finished(&self) -> u64 {
        self.ok + self.bad
    }

    /// Forgets all requests so far, for a start once every connection stands.
    pub fn restart(&mut self) {
        (self.ok, self.bytes) = (0, 0);
        self.latencies.clear();
    }

    pub fn sort(&mut self) {
        self.latencies.sort_unstable();
    }

    /// The latency that `part` of the responses did not exceed, in microseconds.
    fn quantile(&self, part: f64) -> u32 {
        let rank = (self.latencies.len() as f64 * part).ceil() as usize;
        self.latencies.get(rank.saturating_sub(1)).copied().unwrap_or(0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        write!(out, "ok={} bad={} non200={} ", self.ok, self.bad, self.non200)?;
        write!(out, "conns={} resumed={} ", self.connections, self.resumed)?;
        write!(out, "bytes={} secs={seconds:.3} ", self.bytes)?;
        write!(out, "rps={:.0} ", self.ok as f64 / seconds.max(1e-9))?;
        write!(out, "p50us={} p99us={} ", self.quantile(0.5), self.quantile(0.99))?;
        write!(out, "cpu={:.3} lost={}", self.cpu.as_secs_f64(), self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_latencies() {
        let mut tally = Tally::default();
        for micros in (1..=100).rev() {
            tally.answered(Duration::from_micros(micros));
        }
        tally.sort();
        assert_eq!((tally.quantile(0.5), tally.quantile(0.99)), (50, 99));
        assert_eq!(Tally::default().quantile(0.5), 0);
    }
}
