//! The model after loss (section 5.5.10).

use std::time::Instant;

use super::super::rate::{LostBatch, Sample};
use super::state::State;
use super::{BETA, Bbr, INFINITE, LOSS_THRESH, ShortTerm, Signals};

impl Bbr {
    /// At the start of an acknowledgement.
    pub(super) fn update_latest_delivery_signals(&mut self, sample: &Sample) {
        let signals = &mut self.signals;
        signals.bw_latest = signals.bw_latest.max(sample.delivery_rate);
        signals.inflight_latest = signals.inflight_latest.max(sample.delivered);
        signals.loss_round_start = sample.prior_delivered >= signals.loss_round_delivered;
        if signals.loss_round_start {
            signals.loss_round_delivered = self.sampler.delivered;
        }
    }

    /// At its end.
    pub(super) fn advance_latest_delivery_signals(&mut self, sample: &Sample) {
        if self.signals.loss_round_start {
            self.signals.bw_latest = sample.delivery_rate;
            self.signals.inflight_latest = sample.delivered;
        }
    }

    pub(super) fn reset_congestion_signals(&mut self) {
        self.signals = Signals { bw_latest: 0.0, inflight_latest: 0, ..self.signals };
        self.signals.is_loss_in_round = false;
    }

    pub(super) fn update_congestion_signals(&mut self, sample: &Sample) {
        self.rounds.update(sample.prior_delivered, self.sampler.delivered);
        if self.rounds.is_start {
            self.probe.rounds_since_up += 1;
            self.update_base_loss();
        }
        let rate = sample.delivery_rate;
        if rate > 0.0 && (rate >= self.max_bw.get() || !sample.is_app_limited) {
            self.max_bw.update(rate);
        }
        if !self.signals.loss_round_start {
            return;
        }
        let is_lossy = self.signals.is_loss_in_round
            && self.signals.lost as f64 > self.base_loss.expected(sample.delivered, self.mtu);
        if is_lossy && !self.state.is_probing() {
            self.lower_short_term();
        }
        if !self.signals.is_loss_in_round {
            self.signals.recovery_round = None;
        }
        self.signals.is_loss_in_round = false;
    }

    fn update_base_loss(&mut self) {
        let counts =
            matches!(self.state, State::Startup | State::ProbeBwCruise | State::ProbeBwRefill);
        let bytes = (self.sampler.delivered, self.sampler.lost);
        self.base_loss.update(bytes, self.mtu, counts);
    }

    /// Whether the loss rate is above the threshold, by more than the path's own losses.
    pub(super) fn is_too_much(&self, lost: u64, in_flight: u64) -> bool {
        let base = self.base_loss.expected(in_flight, self.mtu);
        lost as f64 > in_flight as f64 * LOSS_THRESH + base
    }

    /// InitLowerBounds and LossLowerBounds.
    fn lower_short_term(&mut self) {
        let ShortTerm { mut bw, mut inflight } = self.short_term;
        if bw.is_infinite() {
            bw = self.max_bw.get();
        }
        if inflight == INFINITE {
            inflight = self.cwnd;
        }
        self.short_term = ShortTerm {
            bw: self.signals.bw_latest.max(BETA * bw),
            inflight: self.signals.inflight_latest.max((BETA * inflight as f64) as u64),
        };
    }

    pub(super) fn note_loss(&mut self, bytes: u64) {
        if !self.signals.is_loss_in_round {
            self.signals.lost = 0;
            self.signals.loss_round_delivered = self.sampler.delivered;
            self.signals.loss_events = 0;
            self.save_cwnd();
        }
        self.signals.is_loss_in_round = true;
        self.signals.loss_events += 1;
        self.signals.lost += bytes;
        if self.min_rtt.is_some_and(|least| self.queue_delay.is_queue(least)) {
            self.base_loss.skip_round();
        }
        let round = self.rounds.count;
        self.signals.recovery_round.get_or_insert(round);
    }

    /// HandleLostPacket, for the lost part of a batch.
    pub(super) fn handle_lost(&mut self, now: Instant, lost: LostBatch) {
        if !self.probe.is_sample {
            return;
        }
        if self.is_too_much(lost.lost, lost.tx_in_flight) {
            let at_loss = inflight_at_loss(&lost, LOSS_THRESH + self.base_loss.share());
            self.handle_inflight_too_high(now, at_loss, lost.is_app_limited);
        }
    }

    /// An ECN mark: too much was in flight, if it was a probe or has filled the pipe.
    pub(super) fn handle_congestion_mark(&mut self, now: Instant) {
        if self.state == State::Startup && self.is_recovering() && !self.sampler.is_app_limited() {
            self.end_startup();
        }
        if !self.probe.is_sample {
            return;
        }
        let in_flight = self.sampler.in_flight;
        self.handle_inflight_too_high(now, in_flight, self.sampler.is_app_limited());
    }

    pub(super) fn handle_inflight_too_high(
        &mut self,
        now: Instant,
        in_flight: u64,
        is_app_limited: bool,
    ) {
        self.probe.was_too_high = true;
        self.probe.is_sample = false;
        if !is_app_limited {
            let least = (BETA * self.target_inflight() as f64) as u64;
            self.inflight_longterm = in_flight.max(least);
        }
        if self.state == State::ProbeBwUp {
            self.start_probe_bw_down(now);
        }
    }
}

/// The bytes in flight when the loss rate exceeded this threshold.
fn inflight_at_loss(lost: &LostBatch, threshold: f64) -> u64 {
    let before = lost.tx_in_flight.saturating_sub(lost.bytes) as f64;
    let lost_before = lost.lost.saturating_sub(lost.bytes) as f64;
    let prefix = (threshold * before - lost_before) / (1.0 - threshold);
    (before + prefix).max(0.0) as u64
}
