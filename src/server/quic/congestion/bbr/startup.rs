//! Startup and Drain (sections 5.3.1 and 5.3.2), and restarting from idle (5.4).

use std::time::Instant;

use super::super::rate::Sample;
use super::state::State;
use super::{Bbr, STARTUP_FULL_LOSS_COUNT};

impl Bbr {
    pub(super) fn check_startup_done(&mut self, sample: &Sample) {
        self.check_startup_high_loss(sample);
        if self.state == State::Startup && self.full_pipe.is_reached {
            self.state = State::Drain;
            self.drain_start_round = self.rounds.count;
        }
    }

    /// Leaves Startup if a whole round of loss recovery shows excessive loss.
    fn check_startup_high_loss(&mut self, sample: &Sample) {
        if self.state != State::Startup || !self.signals.loss_round_start {
            return;
        }
        let events = std::mem::take(&mut self.signals.loss_events);
        let is_lossy = self.exceeds_loss_threshold(sample.lost, sample.tx_in_flight);
        if self.is_recovering() && is_lossy && events >= STARTUP_FULL_LOSS_COUNT {
            self.end_startup();
        }
    }

    /// Whether losses or marks began in a round before this one.
    pub(super) fn is_recovering(&self) -> bool {
        self.signals.recovery_round.is_some_and(|round| self.rounds.count > round)
    }

    /// The next acknowledgement begins to drain the queue.
    pub(super) fn end_startup(&mut self) {
        self.full_pipe.is_reached = true;
        self.inflight_longterm = self.bdp_multiple(1.0).max(self.signals.inflight_latest);
    }

    pub(super) fn check_drain_done(&mut self, now: Instant) {
        let is_drained = self.sampler.in_flight <= self.inflight(1.0)
            || self.rounds.count > self.drain_start_round + 3;
        if self.state == State::Drain && is_drained {
            self.start_probe_bw_down(now);
        }
    }

    /// HandleRestartFromIdle of section 5.4.1.
    pub(super) fn restart_from_idle(&mut self, now: Instant) {
        self.idle_restart = true;
        self.extra_acked.interval_start = now;
        if self.state.is_probe_bw() {
            self.set_pacing_rate(1.0);
        } else if self.state == State::ProbeRtt {
            self.check_probe_rtt_done(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::control::{Acked, Control as _, Lost};
    use super::*;

    const PACKET: u64 = 1200;
    const RTT: Duration = Duration::from_millis(50);

    /// A round in which the window doubles, and so does the rate; the network may mark a packet.
    fn round(bbr: &mut Bbr, now: Instant, is_marked: bool) -> Instant {
        let window = bbr.congestion_window();
        bbr.on_sent(now, window);
        let end = now + RTT;
        bbr.on_ack(end, Acked { sent: now, bytes: window - PACKET, app_limited: false, srtt: RTT });
        bbr.on_end_acks(end, PACKET);
        if is_marked {
            bbr.on_lost(end, Lost { sent: now, bytes: 0, is_persistent: false });
        }
        end
    }

    #[test]
    fn marks_of_two_rounds_end_startup() {
        for is_marked in [false, true] {
            let start = Instant::now();
            let mut bbr = Bbr::new(start, PACKET, 32 * PACKET, fastrand::Rng::with_seed(1));
            let now = round(&mut bbr, start, false);
            let now = round(&mut bbr, now, is_marked);
            assert_eq!(bbr.state, State::Startup);
            let now = round(&mut bbr, now, is_marked);
            round(&mut bbr, now, false);
            assert_eq!(bbr.state == State::Startup, !is_marked);
        }
    }
}
