//! HyStart++ (RFC 9406): leaves slow start when the RTT grows, before packets are lost.

use std::time::{Duration, Instant};

const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
const MIN_RTT_DIVISOR: u32 = 8;
const N_RTT_SAMPLE: u32 = 8;
const CSS_GROWTH_DIVISOR: u64 = 4;
const CSS_ROUNDS: u32 = 5;

/// Conservative slow start: its rounds so far, and the RTT that made it begin.
#[derive(Debug, Clone, Copy)]
struct Conservative {
    rounds: u32,
    baseline: Duration,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct HyStart {
    /// A packet sent after this one ends the round.
    round_start: Instant,
    last_round_min: Option<Duration>,
    round_min: Option<Duration>,
    samples: u32,
    conservative: Option<Conservative>,
}

impl HyStart {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            round_start: now,
            last_round_min: None,
            round_min: None,
            samples: 0,
            conservative: None,
        }
    }

    /// Growth of the window for acknowledged bytes. Packets are paced, so there is no bound L.
    pub(super) fn growth(&self, bytes: u64) -> u64 {
        bytes / if self.conservative.is_some() { CSS_GROWTH_DIVISOR } else { 1 }
    }

    /// One acknowledgement with the newest packet's time of sending. Says whether slow start ends.
    pub(super) fn on_acks(&mut self, now: Instant, sent: Instant) -> bool {
        let is_round_over = sent > self.round_start;
        if is_round_over {
            self.round_start = now;
            self.last_round_min = self.round_min.take();
            self.samples = 0;
            if let Some(conservative) = &mut self.conservative {
                conservative.rounds += 1;
                if conservative.rounds >= CSS_ROUNDS {
                    return true;
                }
            }
        }
        let rtt = now.saturating_duration_since(sent);
        let round_min = self.round_min.map_or(rtt, |least| least.min(rtt));
        self.round_min = Some(round_min);
        self.samples += 1;
        if self.samples >= N_RTT_SAMPLE {
            self.judge(round_min);
        }
        false
    }

    fn judge(&mut self, round_min: Duration) {
        match (self.conservative, self.last_round_min) {
            (Some(Conservative { baseline, .. }), _) if round_min < baseline => {
                self.conservative = None;
            }
            (None, Some(last)) => {
                let threshold = (last / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
                if round_min >= last + threshold {
                    self.conservative = Some(Conservative { rounds: 0, baseline: round_min });
                }
            }
            _ => {}
        }
    }
}
