//! The cycle of ProbeBW (section 5.3.3).

use std::time::{Duration, Instant};

use super::super::rate::Sample;
use super::state::{AckPhase, State};
use super::{Bbr, HEADROOM, INFINITE, ShortTerm};

/// The most rounds between probes, for coexistence with Reno and CUBIC (section 5.3.3.8.2).
const RENO_ROUNDS: u64 = 63;

impl Bbr {
    pub(super) fn start_probe_bw_down(&mut self, now: Instant) {
        self.reset_congestion_signals();
        self.probe.up_acked_per_increase = INFINITE;
        self.probe.rounds_since_up = self.random.u64(0..=1);
        self.probe.wait = Duration::from_millis(self.random.u64(2000..=3000));
        self.probe.cycle_stamp = now;
        self.ack_phase = AckPhase::ProbeStopping;
        self.rounds.start(self.sampler.delivered);
        self.state = State::ProbeBwDown;
    }

    fn start_probe_bw_refill(&mut self) {
        self.short_term = ShortTerm::NONE;
        self.probe.up_rounds = 0;
        self.probe.up_acked = 0;
        self.probe.was_precautionary = false;
        self.ack_phase = AckPhase::Refilling;
        self.rounds.start(self.sampler.delivered);
        self.state = State::ProbeBwRefill;
    }

    fn start_probe_bw_up(&mut self, sample: &Sample) {
        self.ack_phase = AckPhase::ProbeStarting;
        self.rounds.start(self.sampler.delivered);
        self.full_pipe.reset(sample.delivery_rate);
        self.state = State::ProbeBwUp;
        self.base_loss.skip_round();
        self.raise_inflight_longterm_slope();
    }

    pub(super) fn update_probe_bw_cycle_phase(&mut self, now: Instant, sample: &Sample) {
        if !self.full_pipe.is_reached || self.adapt_long_term_model(sample) {
            return;
        }
        let state = self.state;
        match state {
            State::ProbeBwDown if self.is_time_to_probe_bw(now) => self.start_probe_bw_refill(),
            State::ProbeBwDown if self.is_time_to_cruise() => self.state = State::ProbeBwCruise,
            State::ProbeBwCruise if self.is_time_to_probe_bw(now) => self.start_probe_bw_refill(),
            State::ProbeBwRefill if self.rounds.is_start => {
                self.probe.is_sample = true;
                self.start_probe_bw_up(sample);
            }
            State::ProbeBwUp if self.is_time_to_go_down(sample) => {
                self.probe.was_too_high = false;
                self.start_probe_bw_down(now);
            }
            _ => {}
        }
    }

    fn is_time_to_probe_bw(&self, now: Instant) -> bool {
        let packets = self.target_inflight() / self.mtu;
        now > self.probe.cycle_stamp + self.probe.wait
            || self.probe.rounds_since_up >= packets.min(RENO_ROUNDS)
    }

    fn is_time_to_cruise(&self) -> bool {
        let in_flight = self.sampler.in_flight;
        in_flight <= self.inflight_with_headroom() && in_flight <= self.inflight(1.0)
    }

    fn is_time_to_go_down(&mut self, sample: &Sample) -> bool {
        if self.probe.was_too_high && self.sampler.in_flight >= self.inflight_longterm {
            self.probe.was_precautionary = true;
            return true;
        }
        if self.is_cwnd_limited && self.cwnd >= self.inflight_longterm {
            self.full_pipe.reset(sample.delivery_rate);
            return false;
        }
        self.full_pipe.is_now
    }

    /// The limit of the bytes in flight while headroom is left for other flows.
    pub(super) fn inflight_with_headroom(&self) -> u64 {
        if self.inflight_longterm == INFINITE {
            return INFINITE;
        }
        let headroom = ((HEADROOM * self.inflight_longterm as f64) as u64).max(self.mtu);
        self.inflight_longterm.saturating_sub(headroom).max(self.min_pipe_cwnd())
    }

    pub(super) fn target_inflight(&self) -> u64 {
        self.bdp_multiple(1.0).min(self.cwnd)
    }

    fn raise_inflight_longterm_slope(&mut self) {
        let growth = 1_u64 << self.probe.up_rounds;
        self.probe.up_rounds = (self.probe.up_rounds + 1).min(30);
        self.probe.up_acked_per_increase = (self.cwnd / growth).max(self.mtu);
    }

    fn probe_inflight_longterm_upward(&mut self, sample: &Sample) {
        if !self.is_cwnd_limited || self.cwnd < self.inflight_longterm {
            return;
        }
        let probe = &mut self.probe;
        probe.up_acked += sample.newly_acked;
        let increases = probe.up_acked / probe.up_acked_per_increase;
        probe.up_acked -= increases * probe.up_acked_per_increase;
        self.inflight_longterm += increases * self.mtu;
        if self.rounds.is_start {
            self.raise_inflight_longterm_slope();
        }
    }

    /// Adapts the bounds of the long-term model; returns whether the state changed.
    fn adapt_long_term_model(&mut self, sample: &Sample) -> bool {
        if self.ack_phase == AckPhase::ProbeStarting && self.rounds.is_start {
            self.ack_phase = AckPhase::ProbeFeedback;
        }
        if self.ack_phase == AckPhase::ProbeStopping && self.rounds.is_start {
            self.probe.is_sample = false;
            self.ack_phase = AckPhase::Init;
            if self.state.is_probe_bw() {
                if !sample.is_app_limited {
                    self.max_bw.advance();
                }
                if self.probe.was_precautionary && !self.probe.was_too_high {
                    self.start_probe_bw_refill();
                    return true;
                }
            }
        }
        // Losses are handled when they are reported.
        if self.exceeds_loss_threshold(sample.lost, sample.tx_in_flight) {
            return false;
        }
        if self.inflight_longterm != INFINITE {
            self.inflight_longterm = self.inflight_longterm.max(sample.tx_in_flight);
            if self.state == State::ProbeBwUp {
                self.probe_inflight_longterm_upward(sample);
            }
        }
        false
    }
}
