//! Parts of BBR's model of a path (section 5.5) that know nothing of its states.

use std::time::Instant;

/// Packet-timed round trips (section 5.5.1).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rounds {
    next_delivered: u64,
    pub(super) count: u64,
    /// The current acknowledgement started a round.
    pub(super) is_start: bool,
}

impl Rounds {
    pub(super) fn update(&mut self, prior_delivered: u64, delivered: u64) {
        self.is_start = prior_delivered >= self.next_delivered;
        if self.is_start {
            self.start(delivered);
            self.count += 1;
        }
    }

    pub(super) fn start(&mut self, delivered: u64) {
        self.next_delivered = delivered;
    }
}

/// The highest delivery rate of this ProbeBW cycle and the previous one (sections 5.5.3 to 5.5.6).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MaxBw {
    current: f64,
    previous: f64,
}

impl MaxBw {
    pub(super) fn update(&mut self, rate: f64) {
        self.current = self.current.max(rate);
    }

    /// A cycle without a sample keeps the previous value.
    pub(super) fn advance(&mut self) {
        if self.current > 0.0 {
            self.previous = std::mem::take(&mut self.current);
        }
    }

    pub(super) fn get(self) -> f64 {
        self.current.max(self.previous)
    }
}

/// Detects a plateau of the delivery rate (section 5.3.1.2).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FullPipe {
    baseline: f64,
    rounds: u32,
    /// The pipe is full in this probe.
    pub(super) is_now: bool,
    /// The pipe has been full at some time.
    pub(super) is_reached: bool,
}

impl FullPipe {
    const GROWTH: f64 = 1.25;
    const ROUNDS: u32 = 3;

    pub(super) fn reset(&mut self, baseline: f64) {
        *self = Self { baseline, rounds: 0, is_now: false, is_reached: self.is_reached };
    }

    /// To be called once per round, with a sample that is not application-limited.
    pub(super) fn check(&mut self, rate: f64) {
        if self.is_now {
            return;
        }
        if rate >= self.baseline * Self::GROWTH {
            self.reset(rate);
            return;
        }
        self.rounds += 1;
        self.is_now = self.rounds >= Self::ROUNDS;
        self.is_reached |= self.is_now;
    }
}

/// Bytes acknowledged beyond the expected amount (section 5.5.9).
#[derive(Debug, Clone, Copy)]
pub(super) struct ExtraAcked {
    pub(super) interval_start: Instant,
    delivered: u64,
    /// The maxima of this window and the previous one, and the round in which the window began.
    windows: [u64; 2],
    window_start: u64,
}

impl ExtraAcked {
    /// Half of ExtraAckedFilterLen, as two windows are kept.
    const FILTER_ROUNDS: u64 = 5;

    pub(super) fn new(now: Instant) -> Self {
        Self { interval_start: now, delivered: 0, windows: [0; 2], window_start: 0 }
    }

    pub(super) fn update(&mut self, now: Instant, bw: f64, newly_acked: u64, cwnd: u64) {
        let interval = now.saturating_duration_since(self.interval_start);
        let mut expected = (bw * interval.as_secs_f64()) as u64;
        if self.delivered <= expected {
            self.delivered = 0;
            self.interval_start = now;
            expected = 0;
        }
        self.delivered += newly_acked;
        let extra = self.delivered.saturating_sub(expected).min(cwnd);
        self.windows[0] = self.windows[0].max(extra);
    }

    /// Drops values older than the filter's length, which in Startup is one round.
    pub(super) fn age(&mut self, round: u64, is_startup: bool) {
        let length = if is_startup { 1 } else { Self::FILTER_ROUNDS };
        if round >= self.window_start + length {
            self.windows = [0, if is_startup { 0 } else { self.windows[0] }];
            self.window_start = round;
        }
    }

    pub(super) fn get(&self) -> u64 {
        self.windows[0].max(self.windows[1])
    }
}
