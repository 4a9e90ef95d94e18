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
        }
        let rate = sample.delivery_rate;
        if rate > 0.0 && (rate >= self.max_bw.get() || !sample.is_app_limited) {
            self.max_bw.update(rate);
        }
        if !self.signals.loss_round_start {
            return;
        }
        let tolerated = self.base_loss.tolerated(sample.delivered, self.mtu);
        let is_congested = self.signals.is_marked || self.signals.lost as f64 > tolerated;
        if self.signals.is_loss_in_round && is_congested && !self.state.is_probing() {
            self.lower_short_term();
        }
        if !self.signals.is_loss_in_round {
            self.signals.recovery_round = None;
        }
        self.signals.is_loss_in_round = false;
    }

    /// To be called when a round begins.
    pub(super) fn update_base_loss(&mut self) {
        let counts =
            matches!(self.state, State::Startup | State::ProbeBwCruise | State::ProbeBwRefill);
        let bytes = (self.sampler.delivered, self.sampler.lost);
        self.base_loss.update(bytes, self.mtu, counts);
    }

    /// Whether more was lost than the draft's threshold and the path's own losses explain.
    pub(super) fn exceeds_loss_threshold(&self, lost: u64, in_flight: u64) -> bool {
        lost as f64 > self.loss_threshold(in_flight) * in_flight as f64
    }

    /// The share of these bytes in flight that may be lost.
    fn loss_threshold(&self, in_flight: u64) -> f64 {
        let tolerated = self.base_loss.tolerated(in_flight, self.mtu);
        (LOSS_THRESH + tolerated / in_flight.max(1) as f64).min(0.9)
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

    /// Of 0 bytes: packets were marked.
    pub(super) fn note_loss(&mut self, bytes: u64) {
        if !self.signals.is_loss_in_round {
            self.signals.lost = 0;
            self.signals.is_marked = false;
            self.signals.loss_round_delivered = self.sampler.delivered;
            self.signals.loss_events = 0;
            self.save_cwnd();
        }
        self.signals.is_loss_in_round = true;
        self.signals.loss_events += 1;
        self.signals.lost += bytes;
        self.signals.is_marked |= bytes == 0;
        let is_queue = self.min_rtt.is_some_and(|least| self.queue_delay.is_queue(least));
        if is_queue || bytes == 0 {
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
        if self.exceeds_loss_threshold(lost.lost, lost.tx_in_flight) {
            let at_loss = inflight_at_loss(&lost, self.loss_threshold(lost.tx_in_flight));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::control::{Acked, Control as _, Lost};
    use super::*;

    const PACKET: u64 = 1200;
    const RTT: Duration = Duration::from_millis(50);
    /// Packets of a round.
    const ROUND: u64 = 50;

    /// A controller that cruises at the rate of the link, and the time.
    fn cruising() -> (Bbr, Instant) {
        let start = Instant::now();
        let mut bbr = Bbr::new(start, PACKET, 32 * PACKET, fastrand::Rng::with_seed(1));
        let now = (0..8).fold(start, |now, _| round(&mut bbr, now, None));
        bbr.full_pipe.is_reached = true;
        bbr.state = State::ProbeBwCruise;
        bbr.probe.cycle_stamp = now;
        bbr.probe.wait = Duration::from_secs(3600);
        bbr.probe.rounds_since_up = 0;
        (bbr, now)
    }

    /// A round in which so many packets were lost; none of 0 were, but the network marked one.
    fn round(bbr: &mut Bbr, now: Instant, lost: Option<u64>) -> Instant {
        for _ in 0..ROUND {
            bbr.on_sent(now, PACKET);
        }
        let end = now + RTT;
        let bytes = lost.unwrap_or(0) * PACKET;
        let acked = ROUND * PACKET - bytes;
        bbr.on_ack(end, Acked { sent: now, bytes: acked, app_limited: false, srtt: RTT });
        bbr.on_end_acks(end, bytes);
        if lost.is_some() {
            bbr.on_lost(end, Lost { sent: now, bytes, is_persistent: false });
        }
        bbr.probe.rounds_since_up = 0;
        end
    }

    fn is_lowered(bbr: &Bbr) -> bool {
        bbr.short_term.bw.is_finite()
    }

    #[test]
    fn a_loss_or_a_mark_lowers_the_rate_of_a_path_that_loses_nothing() {
        for lost in [0, 1] {
            let (mut bbr, now) = cruising();
            let now = round(&mut bbr, now, Some(lost));
            assert!(!is_lowered(&bbr), "before the end of the round");
            round(&mut bbr, now, None);
            assert!(is_lowered(&bbr), "{lost}");
        }
    }

    #[test]
    fn only_more_than_its_own_losses_lower_the_rate_of_a_path_that_loses() {
        for (lost, lowers) in [(1, false), (2, false), (5, true), (0, true)] {
            let (mut bbr, now) = cruising();
            let mut now = (0..40).fold(now, |now, _| round(&mut bbr, now, Some(1)));
            bbr.short_term = ShortTerm::NONE;
            now = round(&mut bbr, now, Some(lost));
            round(&mut bbr, now, None);
            assert_eq!(is_lowered(&bbr), lowers, "{lost}");
        }
    }

    #[test]
    fn what_a_probe_loses_counts_against_the_paths_own_losses() {
        let (mut bbr, now) = cruising();
        assert!(bbr.exceeds_loss_threshold(2 * PACKET, ROUND * PACKET));
        assert!(!bbr.exceeds_loss_threshold(PACKET, ROUND * PACKET));
        (0..40).fold(now, |now, _| round(&mut bbr, now, Some(1)));
        assert!(!bbr.exceeds_loss_threshold(3 * PACKET, ROUND * PACKET));
        assert!(bbr.exceeds_loss_threshold(5 * PACKET, ROUND * PACKET));
    }
}
