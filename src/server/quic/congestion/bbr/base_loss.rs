//! The share of packets that a path loses whatever is sent, as a radio link does: that of the
//! rounds in which the RTT showed no queue when losses were detected. A short queue overflows
//! without a sign in the RTT, so the rounds of a bandwidth probe and of its end are left out, and
//! those with more losses than the highest share explains.

/// What is remembered: so many packets, or so many rounds if they have more.
const MEMORY_PACKETS: f64 = 1000.0;
const MEMORY_ROUNDS: f64 = 8.0;
/// Fewer packets show no share.
const LEAST: f64 = 100.0;
/// The highest share.
const MOST: f64 = 0.05;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BaseLoss {
    packets: f64,
    lost: f64,
    /// Bytes delivered and lost when the current round began; `None` if the round does not count.
    round: Option<(u64, u64)>,
}

impl BaseLoss {
    /// To be called when a round begins, with the bytes that were delivered and lost until then,
    /// and whether the state is one whose rounds count.
    pub(super) fn update(&mut self, bytes: (u64, u64), mtu: u64, counts: bool) {
        if let Some((delivered, lost)) = self.round.filter(|_| counts) {
            let lost = (bytes.1 - lost) as f64 / mtu as f64;
            let packets = (bytes.0 - delivered) as f64 / mtu as f64 + lost;
            if lost <= by_chance(MOST * packets) {
                self.remember(packets, lost);
            }
        }
        self.round = counts.then_some(bytes);
    }

    fn remember(&mut self, packets: f64, lost: f64) {
        let memory = MEMORY_PACKETS.max(MEMORY_ROUNDS * packets);
        let kept = memory / (memory + packets);
        self.packets = (self.packets + packets) * kept;
        self.lost = (self.lost + lost) * kept;
    }

    /// The losses of the current round may have another cause: the RTT shows a queue, or a
    /// bandwidth probe begins.
    pub(super) fn skip_round(&mut self) {
        self.round = None;
    }

    fn share(&self) -> f64 {
        if self.packets < LEAST { 0.0 } else { (self.lost / self.packets).min(MOST) }
    }

    /// How many of these bytes may be lost without a sign of congestion.
    pub(super) fn tolerated(&self, bytes: u64, mtu: u64) -> f64 {
        by_chance(self.share() * bytes as f64 / mtu as f64) * mtu as f64
    }
}

/// The mean number of losses, and twice its standard deviation.
fn by_chance(mean: f64) -> f64 {
    mean + 2.0 * mean.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: u64 = 1000;

    /// After so many rounds of 50 packets, of which `lost` are lost.
    fn after(rounds: u64, lost: u64, counts: impl Fn(u64) -> bool) -> BaseLoss {
        let mut base = BaseLoss::default();
        for round in 0..=rounds {
            let bytes = (round * (50 - lost) * MTU, round * lost * MTU);
            base.update(bytes, MTU, counts(round));
        }
        base
    }

    #[test]
    fn rounds_show_the_share() {
        assert!((after(20, 1, |_| true).share() - 0.02).abs() < 1e-9);
        assert_eq!(after(1, 1, |_| true).share(), 0.0, "50 packets show nothing");
        assert!(after(3, 1, |_| true).share() > 0.0);
        assert_eq!(after(20, 4, |_| true).share(), MOST);
        assert_eq!(after(20, 1, |round| round % 2 == 0).share(), 0.0, "each round is in a probe");
    }

    /// An outage, or the overflow of a queue that is too short to show in the RTT.
    #[test]
    fn rounds_with_too_many_losses_are_left_out() {
        assert_eq!(after(20, 5, |_| true).share(), MOST);
        assert_eq!(after(20, 6, |_| true).share(), 0.0);
    }

    #[test]
    fn a_large_round_is_a_part_of_what_is_remembered() {
        let mut base = BaseLoss::default();
        for round in 0..=9 {
            base.update((round * 5000 * MTU, 0), MTU, true);
        }
        base.update((9 * 5000 * MTU + 4800 * MTU, 200 * MTU), MTU, true);
        assert!(base.share() < 0.01, "{}", base.share());
    }

    #[test]
    fn rounds_with_a_queue_are_left_out() {
        let mut base = after(20, 0, |_| true);
        for round in 1..=20 {
            base.skip_round();
            base.update((20 * 50 * MTU + round * 48 * MTU, round * 2 * MTU), MTU, true);
        }
        assert_eq!(base.share(), 0.0);
    }

    #[test]
    fn old_rounds_are_forgotten() {
        let mut base = after(20, 2, |_| true);
        for round in 1..=100 {
            base.update((20 * 48 * MTU + round * 50 * MTU, 20 * 2 * MTU), MTU, true);
        }
        assert!(base.share() < 0.001, "{}", base.share());
    }

    #[test]
    fn chance_has_its_part() {
        let base = after(20, 1, |_| true);
        let lost = base.tolerated(50 * MTU, MTU) / MTU as f64;
        assert!((lost - 3.0).abs() < 1e-6, "1 and twice its root: {lost}");
        assert_eq!(BaseLoss::default().tolerated(50 * MTU, MTU), 0.0);
    }
}
