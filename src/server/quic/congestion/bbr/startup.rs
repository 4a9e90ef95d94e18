//! Startup and Drain (sections 5.3.1 and 5.3.2), and restarting from idle (5.4).

use std::time::Instant;

use super::super::rate::Sample;
use super::state::State;
use super::{Bbr, LOSS_THRESH, STARTUP_FULL_LOSS_COUNT};

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
        let is_recovering =
            self.signals.recovery_round.is_some_and(|round| self.rounds.count > round);
        let is_lossy = sample.lost as f64 > sample.tx_in_flight as f64 * LOSS_THRESH;
        if is_recovering && is_lossy && events >= STARTUP_FULL_LOSS_COUNT {
            self.full_pipe.is_reached = true;
            self.inflight_longterm = self.bdp_multiple(1.0).max(self.signals.inflight_latest);
        }
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
