//! HyStart++ (RFC 9406): leaves slow start when the RTT grows, before packets are lost.

use std::time::{Duration, Instant};

const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
const MIN_RTT_DIVISOR: u32 = 8;
const N_RTT_SAMPLE: u32 = 8;
const CSS_GROWTH_DIVISOR: u64 = 4;
const CSS_ROUNDS: u32 = 5;

/// Conservative slow start: the number of its rounds, and the RTT at which it began.
#[derive(Debug, Clone, Copy)]
struct Conservative {
    rounds: u32,
    baseline: Duration,
}

/// The increase of the RTT that shows a queue.
pub(super) fn rtt_threshold(baseline: Duration) -> Duration {
    (baseline / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH)
}

#[derive(Debug, Clone, Copy)]
pub(super) struct HyStart {
    /// An acknowledgement of a packet sent after this one ends the round.
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

    /// The growth of the window for acknowledged bytes. Packets are paced, so the limit L does not
    /// apply.
    pub(super) fn growth(&self, bytes: u64) -> u64 {
        bytes / if self.conservative.is_some() { CSS_GROWTH_DIVISOR } else { 1 }
    }

    /// Processes an acknowledgement and the send time of its newest packet. Returns whether slow
    /// start ends.
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
            (None, Some(last)) if round_min >= last + rtt_threshold(last) => {
                self.conservative = Some(Conservative { rounds: 0, baseline: round_min });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// A round whose packets all have this RTT, ten of them; whether slow start ends in it.
    fn round(hystart: &mut HyStart, start: &mut Instant, rtt: Duration) -> bool {
        let sent = *start + ms(1);
        *start = sent + rtt;
        (0..10).fold(false, |ends, _| ends | hystart.on_acks(*start, sent))
    }

    #[test]
    fn a_round_trip_that_grows_slows_the_start_and_five_rounds_end_it() {
        let mut now = Instant::now();
        let mut hystart = HyStart::new(now);
        for rtt in [40, 40, 44] {
            assert!(!round(&mut hystart, &mut now, ms(rtt)));
            assert_eq!(hystart.growth(1000), 1000, "an eighth of 40 ms is 5 ms: {rtt}");
        }
        assert!(!round(&mut hystart, &mut now, ms(50)));
        assert_eq!(hystart.growth(1000), 250, "44 ms and an eighth are exceeded");
        let rounds = (0..20).take_while(|_| !round(&mut hystart, &mut now, ms(50))).count();
        assert_eq!(rounds as u32, CSS_ROUNDS - 1);
    }

    #[test]
    fn a_round_trip_that_falls_again_was_a_false_alarm() {
        let mut now = Instant::now();
        let mut hystart = HyStart::new(now);
        for rtt in [40, 60] {
            round(&mut hystart, &mut now, ms(rtt));
        }
        assert_eq!(hystart.growth(1000), 250);
        round(&mut hystart, &mut now, ms(55));
        assert_eq!(hystart.growth(1000), 1000);
    }

    #[test]
    fn the_threshold_is_from_4_to_16_ms() {
        for (before, least) in [(8, 4), (40, 5), (400, 16)] {
            for (more, growth) in [(least - 1, 1000), (least, 250)] {
                let mut now = Instant::now();
                let mut hystart = HyStart::new(now);
                round(&mut hystart, &mut now, ms(before));
                round(&mut hystart, &mut now, ms(before + more));
                assert_eq!(hystart.growth(1000), growth, "{before} and {more} ms");
            }
        }
    }

    #[test]
    fn fewer_than_eight_samples_say_nothing() {
        let start = Instant::now();
        let mut hystart = HyStart::new(start);
        let mut now = start;
        round(&mut hystart, &mut now, ms(40));
        let sent = now + ms(1);
        (0..N_RTT_SAMPLE - 1).for_each(|_| assert!(!hystart.on_acks(sent + ms(90), sent)));
        assert_eq!(hystart.growth(1000), 1000);
        assert!(!hystart.on_acks(sent + ms(90), sent));
        assert_eq!(hystart.growth(1000), 250);
    }
}
