//! BBRv3 after draft-ietf-ccwg-bbr-06; sections below are those of the draft, names are its names.
//!
//! How it differs, and why:
//!
//! - quinn has no pacing rate. Its pacer sends up to 1.25 windows per smoothed RTT, and what is in
//!   flight is bounded by the same window, so over a round trip `window / RTT` is the rate. The
//!   window shown is therefore the smaller of `cwnd` and of what the pacing rate sends in one
//!   smoothed RTT, and at least `pacing_gain * BDP` and what acknowledgements that come together
//!   need. Faster than 1.25 windows (Startup) goes by `paced_window`.
//! - quinn forgets packets that it declares lost and does not report a late acknowledgement of one,
//!   so spurious losses cannot be detected: section 5.5.11 is left out.
//! - quinn reports losses after the acknowledgement that reveals them, all in one event, which
//!   counts as one range of lost packets in section 5.3.1.3.
//! - Startup paces by 4.0 instead of 2.77, which is the least that doubles the rate in each round.
//!   The later packets of a flight then leave earlier, and what is in flight is bounded as before.
//! - Startup limits what is in flight to less than two BDPs while the RTT shows that its queue
//!   grows (`queue_delay.rs`). With a queue of one BDP, two BDPs overflow it before the rate has
//!   been on its plateau for three rounds.
//! - The draft lowers the rate in each round with a loss, and ends a probe at 2 % of loss. On a
//!   path with 2 % of random loss no probe ends with a measurement, and the rate falls on and on.
//!   Here the share that the path loses without a queue is measured (`base_loss.rs`, 5 % at most),
//!   and losses that it explains, with the spread of chance, have no effect.
//! - An ECN mark (RFC 9002 section 7.1 asks for an answer, the draft has none) lowers the rate as a
//!   loss does, and ends a bandwidth probe. Marks, or losses and marks, of two rounds in a row end
//!   Startup.

mod base_loss;
mod loss;
mod model;
mod probe_bw;
mod probe_rtt;
mod queue_delay;
mod startup;
mod state;

use std::time::{Duration, Instant};

use self::base_loss::BaseLoss;
use self::model::{ExtraAcked, FullPipe, MaxBw, Rounds};
use self::queue_delay::QueueDelay;
use self::state::{AckPhase, State};
use super::control::{Acked, BATCH_PACKETS, Control, Lost, UNCOUNTED_BYTES, paced_window};
use super::rate::{Sample, Sampler};

const LOSS_THRESH: f64 = 0.02;
const BETA: f64 = 0.7;
/// `cwnd_gain` of Startup while its queue grows.
const STARTUP_QUEUE_CWND_GAIN: f64 = 1.75;
const HEADROOM: f64 = 0.15;
const MIN_PIPE_PACKETS: u64 = 4;
/// `PacingMarginPercent` as a factor.
const PACING_MARGIN: f64 = 0.99;
const MIN_RTT_FILTER_LEN: Duration = Duration::from_secs(10);
const PROBE_RTT_INTERVAL: Duration = Duration::from_secs(5);
const PROBE_RTT_DURATION: Duration = Duration::from_millis(200);
const STARTUP_FULL_LOSS_COUNT: u32 = 6;
/// No bound.
const INFINITE: u64 = u64::MAX;

#[derive(Debug, Clone)]
pub(super) struct Bbr {
    mtu: u64,
    initial_window: u64,
    sampler: Sampler,
    state: State,
    ack_phase: AckPhase,
    cwnd: u64,
    prior_cwnd: u64,
    pacing_rate: Option<f64>,
    srtt: Duration,
    rounds: Rounds,
    full_pipe: FullPipe,
    queue_delay: QueueDelay,
    base_loss: BaseLoss,
    extra_acked: ExtraAcked,
    max_bw: MaxBw,
    bw: f64,
    min_rtt: Option<Duration>,
    min_rtt_stamp: Instant,
    inflight_longterm: u64,
    short_term: ShortTerm,
    signals: Signals,
    probe: Probe,
    probe_rtt: ProbeRtt,
    drain_start_round: u64,
    idle_restart: bool,
    is_cwnd_limited: bool,
    random: fastrand::Rng,
}

/// Bounds set by loss outside of probes (section 5.5.10.3).
#[derive(Debug, Clone, Copy)]
struct ShortTerm {
    bw: f64,
    inflight: u64,
}

impl ShortTerm {
    const NONE: Self = Self { bw: f64::INFINITY, inflight: INFINITE };
}

/// Signals of the current round.
#[derive(Debug, Clone, Copy, Default)]
struct Signals {
    is_loss_in_round: bool,
    loss_round_delivered: u64,
    loss_round_start: bool,
    bw_latest: f64,
    inflight_latest: u64,
    /// Ranges of lost packets in the round, and the start of an uninterrupted series of losses.
    loss_events: u32,
    /// Bytes lost in the round.
    lost: u64,
    /// The network marked packets in the round.
    is_marked: bool,
    recovery_round: Option<u64>,
}

/// The bandwidth probes of ProbeBW (section 5.3.3).
#[derive(Debug, Clone, Copy)]
struct Probe {
    cycle_stamp: Instant,
    wait: Duration,
    rounds_since_up: u64,
    up_rounds: u32,
    up_acked: u64,
    up_acked_per_increase: u64,
    is_sample: bool,
    was_too_high: bool,
    was_precautionary: bool,
}

/// ProbeRTT (section 5.3.4).
#[derive(Debug, Clone, Copy)]
struct ProbeRtt {
    min_delay: Duration,
    min_stamp: Instant,
    is_expired: bool,
    done_stamp: Option<Instant>,
    is_round_done: bool,
}

impl Bbr {
    pub(super) fn new(now: Instant, mtu: u64, initial_window: u64, random: fastrand::Rng) -> Self {
        Self {
            mtu,
            initial_window,
            sampler: Sampler::new(now),
            state: State::Startup,
            ack_phase: AckPhase::Init,
            cwnd: initial_window,
            prior_cwnd: 0,
            pacing_rate: None,
            srtt: Duration::ZERO,
            rounds: Rounds::default(),
            full_pipe: FullPipe::default(),
            queue_delay: QueueDelay::default(),
            base_loss: BaseLoss::default(),
            extra_acked: ExtraAcked::new(now),
            max_bw: MaxBw::default(),
            bw: 0.0,
            min_rtt: None,
            min_rtt_stamp: now,
            inflight_longterm: INFINITE,
            short_term: ShortTerm::NONE,
            signals: Signals::default(),
            probe: Probe {
                cycle_stamp: now,
                wait: Duration::ZERO,
                rounds_since_up: 0,
                up_rounds: 0,
                up_acked: 0,
                up_acked_per_increase: INFINITE,
                is_sample: false,
                was_too_high: false,
                was_precautionary: false,
            },
            probe_rtt: ProbeRtt {
                min_delay: Duration::MAX,
                min_stamp: now,
                is_expired: false,
                done_stamp: None,
                is_round_done: false,
            },
            drain_start_round: 0,
            idle_restart: false,
            is_cwnd_limited: false,
            random,
        }
    }

    /// UpdateModelAndState of section 5.2.3.
    fn update_model_and_state(&mut self, now: Instant, sample: &Sample) {
        self.update_latest_delivery_signals(sample);
        self.update_congestion_signals(sample);
        if self.rounds.is_start {
            self.update_base_loss();
        }
        self.extra_acked.age(self.rounds.count, !self.full_pipe.is_reached);
        self.extra_acked.update(now, self.bw, sample.newly_acked, self.cwnd);
        if self.rounds.is_start && !sample.is_app_limited {
            self.full_pipe.check(sample.delivery_rate);
        }
        self.queue_delay.update(self.rounds.is_start, sample.rtt);
        self.check_startup_done(sample);
        self.check_drain_done(now);
        self.update_probe_bw_cycle_phase(now, sample);
        self.update_min_rtt(now, sample.rtt);
        self.check_probe_rtt(now, sample);
        self.advance_latest_delivery_signals(sample);
        self.bw = self.max_bw.get().min(self.short_term.bw);
    }

    fn set_pacing_rate(&mut self, gain: f64) {
        let rate = gain * self.bw * PACING_MARGIN;
        if self.full_pipe.is_reached || self.pacing_rate.is_some_and(|current| rate > current) {
            self.pacing_rate = Some(rate);
        }
    }

    /// InitPacingRate of section 5.6.2, with the first RTT.
    fn init_pacing_rate(&mut self, rtt: Duration) {
        if self.pacing_rate.is_none() && !rtt.is_zero() {
            let nominal = self.initial_window as f64 / rtt.as_secs_f64();
            self.pacing_rate = Some(State::Startup.pacing_gain() * nominal);
        }
    }

    fn bdp_multiple(&self, gain: f64) -> u64 {
        match self.min_rtt {
            Some(rtt) if self.bw > 0.0 => (gain * self.bw * rtt.as_secs_f64()) as u64,
            _ => self.initial_window,
        }
    }

    /// QuantizationBudget and SetSendQuantum of sections 5.6.3 and 5.6.4.2.
    fn quantized(&self, cap: u64) -> u64 {
        let quantum = (self.pacing_rate.unwrap_or(0.0) / 1000.0) as u64;
        let quantum = quantum.min(64 * 1024).max(2 * self.mtu);
        let extra = if self.state == State::ProbeBwUp { 2 * self.mtu } else { 0 };
        cap.max(quantum).max(self.min_pipe_cwnd()) + extra
    }

    fn inflight(&self, gain: f64) -> u64 {
        self.quantized(self.bdp_multiple(gain))
    }

    fn min_pipe_cwnd(&self) -> u64 {
        MIN_PIPE_PACKETS * self.mtu
    }

    fn save_cwnd(&mut self) {
        let is_disturbed = self.signals.recovery_round.is_some() || self.state == State::ProbeRtt;
        let before = if is_disturbed { self.prior_cwnd } else { 0 };
        self.prior_cwnd = self.cwnd.max(before);
    }

    fn restore_cwnd(&mut self) {
        self.cwnd = self.cwnd.max(self.prior_cwnd);
    }

    /// SetCwnd of section 5.6.4.6.
    fn set_cwnd(&mut self, newly_acked: u64) {
        let is_queue_growing = self.state == State::Startup && self.queue_delay.is_growing();
        let gain = if is_queue_growing { STARTUP_QUEUE_CWND_GAIN } else { self.state.cwnd_gain() };
        let mut max_inflight = self.quantized(self.bdp_multiple(gain) + self.extra_acked.get());
        if self.state == State::Startup {
            // The rate of the first requests is that of the application.
            max_inflight = max_inflight.max(self.initial_window);
        }
        if self.full_pipe.is_reached || is_queue_growing {
            self.cwnd = (self.cwnd + newly_acked).min(max_inflight);
        } else if self.cwnd < max_inflight || self.sampler.delivered < self.initial_window {
            self.cwnd += newly_acked;
        }
        self.cwnd = self.cwnd.max(self.min_pipe_cwnd());
        self.bound_cwnd();
    }

    /// BoundCwndForProbeRTT and BoundCwndForModel (sections 5.6.4.5 and 5.6.4.7).
    fn bound_cwnd(&mut self) {
        if self.state == State::ProbeRtt {
            self.cwnd = self.cwnd.min(self.probe_rtt_cwnd());
        }
        let cap = match self.state {
            State::ProbeBwCruise | State::ProbeRtt => self.inflight_with_headroom(),
            State::ProbeBwDown | State::ProbeBwRefill | State::ProbeBwUp => self.inflight_longterm,
            State::Startup | State::Drain => INFINITE,
        };
        let cap = cap.min(self.short_term.inflight).max(self.min_pipe_cwnd());
        self.cwnd = self.cwnd.min(cap);
    }

    /// The bytes in flight at which the rate over a round trip equals the pacing rate.
    fn paced_inflight(&self) -> u64 {
        let Some(rate) = self.pacing_rate else { return INFINITE };
        let by_rate = (rate * self.srtt.as_secs_f64()) as u64;
        let gain = self.state.pacing_gain();
        let mut floor = self.bdp_multiple(gain);
        if gain >= 1.0 {
            floor += self.extra_acked.get() + 2 * self.mtu;
        }
        by_rate.max(floor).max(self.min_pipe_cwnd())
    }
}

impl Control for Bbr {
    fn on_sent(&mut self, now: Instant, bytes: u64) {
        if bytes < UNCOUNTED_BYTES {
            return;
        }
        if self.sampler.in_flight == 0 && self.sampler.is_app_limited() {
            self.restart_from_idle(now);
        }
        self.sampler.on_sent(now, bytes, self.cwnd / self.mtu);
        self.is_cwnd_limited |= self.sampler.in_flight + 2 * self.mtu >= self.cwnd;
    }

    fn on_ack(&mut self, now: Instant, acked: Acked) {
        let is_first = self.pacing_rate.is_none();
        self.srtt = if is_first { now.saturating_duration_since(acked.sent) } else { acked.srtt };
        if acked.app_limited {
            self.sampler.mark_app_limited();
        }
        self.sampler.on_ack(now, acked.sent, acked.bytes);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64) {
        let Some(sample) = self.sampler.sample(now, in_flight) else { return };
        self.init_pacing_rate(sample.rtt);
        self.update_model_and_state(now, &sample);
        self.set_pacing_rate(self.state.pacing_gain());
        self.set_cwnd(sample.newly_acked);
        self.is_cwnd_limited = self.sampler.in_flight + 2 * self.mtu >= self.cwnd;
    }

    fn on_lost(&mut self, now: Instant, lost: Lost) {
        self.note_loss(lost.bytes);
        let mut remaining = lost.bytes;
        while let Some(batch) = self.sampler.next_lost(lost.sent, &mut remaining) {
            self.handle_lost(now, batch);
        }
        if lost.bytes == 0 {
            self.handle_congestion_mark(now);
        }
        if lost.is_persistent {
            self.base_loss.skip_round();
            self.cwnd = (self.sampler.in_flight + self.mtu).max(self.min_pipe_cwnd());
        }
        self.bound_cwnd();
    }

    fn on_mtu(&mut self, mtu: u64) {
        self.mtu = mtu;
    }

    fn window(&self) -> u64 {
        let in_flight = self.sampler.in_flight;
        if self.full_pipe.is_reached {
            return self.cwnd.min(self.paced_inflight());
        }
        let per_rtt = match self.pacing_rate {
            Some(rate) => rate * self.srtt.as_secs_f64(),
            None => State::Startup.pacing_gain() * self.cwnd as f64,
        };
        paced_window(self.cwnd, in_flight, BATCH_PACKETS * self.mtu, per_rtt)
    }

    fn congestion_window(&self) -> u64 {
        self.cwnd
    }

    fn pacing_rate(&self) -> Option<f64> {
        self.pacing_rate
    }
}
