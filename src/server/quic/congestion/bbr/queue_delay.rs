//! Whether the queue at the bottleneck grows, by the RTT. HyStart++ (RFC 9406) judges by the least
//! RTT of a round, which a queue that grows within the round does not change. Here a few
//! acknowledgements in a row decide.

use std::time::Duration;

use super::super::hystart::rtt_threshold;

/// Acknowledgements that must all show the delay, so that no single late one counts.
const SAMPLES: usize = 4;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct QueueDelay {
    recent: [Duration; SAMPLES],
    count: usize,
    /// The least delay in this round and in the previous one.
    round: Option<Duration>,
    previous_round: Option<Duration>,
    /// The delay before the queue began to grow, until it is short again.
    baseline: Option<Duration>,
}

impl QueueDelay {
    pub(super) fn update(&mut self, is_round_start: bool, rtt: Duration) {
        self.recent[self.count % SAMPLES] = rtt;
        self.count += 1;
        if self.count < SAMPLES {
            return;
        }
        let delay = self.recent.into_iter().min().unwrap_or(rtt);
        if is_round_start {
            self.previous_round = self.round.take();
        }
        let least = *self.round.insert(self.round.map_or(delay, |least| least.min(delay)));
        match self.baseline {
            Some(baseline) if delay < baseline + rtt_threshold(baseline) / 2 => {
                self.baseline = None;
            }
            None => {
                let before = self.previous_round.unwrap_or(least);
                self.baseline = Some(before).filter(|_| delay >= before + rtt_threshold(before));
            }
            Some(_) => {}
        }
    }

    /// Whether the last acknowledgements show a queue above this RTT.
    pub(super) fn is_queue(&self, rtt: Duration) -> bool {
        let delay = self.recent.into_iter().min().unwrap_or(rtt);
        self.count < SAMPLES || delay >= rtt + rtt_threshold(rtt)
    }

    pub(super) fn is_growing(&self) -> bool {
        self.baseline.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A round of acknowledgements with these RTTs in ms; in how many of them the queue grew.
    fn round(delay: &mut QueueDelay, rtts: &[u64]) -> usize {
        let mut growing = 0;
        for (index, rtt) in rtts.iter().enumerate() {
            delay.update(index == 0, Duration::from_millis(*rtt));
            growing += usize::from(delay.is_growing());
        }
        growing
    }

    #[test]
    fn a_queue_is_seen_in_the_round_in_which_it_grows() {
        let mut delay = QueueDelay::default();
        assert_eq!(round(&mut delay, &[50; 10]), 0);
        // An eighth of 50 ms is 6.25 ms, and the fourth acknowledgement above that decides.
        assert_eq!(round(&mut delay, &[50, 52, 54, 56, 57, 58, 59, 60, 62]), 2);
        assert_eq!(round(&mut delay, &[70; 5]), 5);
        // 53.1 ms is half of the threshold.
        assert_eq!(round(&mut delay, &[60, 54, 53, 60]), 2);
    }

    #[test]
    fn late_acknowledgements_are_no_queue() {
        let mut delay = QueueDelay::default();
        round(&mut delay, &[50; 10]);
        assert_eq!(round(&mut delay, &[80, 80, 80, 51, 80, 80, 80, 51]), 0);
        assert_eq!(round(&mut delay, &[56; 20]), 0, "below the threshold");
    }

    #[test]
    fn the_round_before_is_what_the_delay_is_compared_with() {
        let mut delay = QueueDelay::default();
        for _ in 0..3 {
            assert_eq!(round(&mut delay, &[70; 10]), 0);
        }
        assert_eq!(round(&mut delay, &[78; 10]), 0, "an eighth of 70 ms is 8.75 ms");
        assert_eq!(round(&mut delay, &[88; 10]), 7);
    }
}
