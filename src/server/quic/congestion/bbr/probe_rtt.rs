//! The minimum RTT and ProbeRTT (sections 5.3.4 and 5.5.7).

use std::time::{Duration, Instant};

use super::super::rate::Sample;
use super::state::{AckPhase, State};
use super::{Bbr, MIN_RTT_FILTER_LEN, PROBE_RTT_DURATION, PROBE_RTT_INTERVAL, ShortTerm};

impl Bbr {
    pub(super) fn update_min_rtt(&mut self, now: Instant, rtt: Duration) {
        let probe = &mut self.probe_rtt;
        probe.is_expired = now > probe.min_stamp + PROBE_RTT_INTERVAL;
        if rtt < probe.min_delay || probe.is_expired {
            probe.min_delay = rtt;
            probe.min_stamp = now;
        }
        let is_expired = now > self.min_rtt_stamp + MIN_RTT_FILTER_LEN;
        if is_expired || self.min_rtt.is_none_or(|least| probe.min_delay < least) {
            self.min_rtt = Some(probe.min_delay);
            self.min_rtt_stamp = probe.min_stamp;
        }
    }

    pub(super) fn check_probe_rtt(&mut self, now: Instant, sample: &Sample) {
        if self.state != State::ProbeRtt && self.probe_rtt.is_expired && !self.idle_restart {
            self.save_cwnd();
            self.state = State::ProbeRtt;
            self.probe_rtt.done_stamp = None;
            self.ack_phase = AckPhase::ProbeStopping;
            self.rounds.start(self.sampler.delivered);
        }
        if self.state == State::ProbeRtt {
            self.handle_probe_rtt(now);
        }
        if sample.delivered > 0 {
            self.idle_restart = false;
        }
    }

    fn handle_probe_rtt(&mut self, now: Instant) {
        // The low rate of this state is no sample of the path.
        self.sampler.mark_app_limited();
        if self.probe_rtt.done_stamp.is_some() {
            self.probe_rtt.is_round_done |= self.rounds.is_start;
            if self.probe_rtt.is_round_done {
                self.check_probe_rtt_done(now);
            }
        } else if self.sampler.in_flight <= self.probe_rtt_cwnd() {
            self.probe_rtt.done_stamp = Some(now + PROBE_RTT_DURATION);
            self.probe_rtt.is_round_done = false;
            self.rounds.start(self.sampler.delivered);
        }
    }

    pub(super) fn check_probe_rtt_done(&mut self, now: Instant) {
        if self.probe_rtt.done_stamp.is_some_and(|done| now > done) {
            self.probe_rtt.min_stamp = now;
            self.restore_cwnd();
            self.exit_probe_rtt(now);
        }
    }

    fn exit_probe_rtt(&mut self, now: Instant) {
        self.short_term = ShortTerm::NONE;
        if self.full_pipe.is_reached {
            self.start_probe_bw_down(now);
            self.state = State::ProbeBwCruise;
        } else {
            self.state = State::Startup;
        }
    }

    pub(super) fn probe_rtt_cwnd(&self) -> u64 {
        self.bdp_multiple(State::ProbeRtt.cwnd_gain()).max(self.min_pipe_cwnd())
    }
}
