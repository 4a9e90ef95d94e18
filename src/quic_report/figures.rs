//! What a report says of one arm, and of one quantile of both.

use super::book::Counts;

/// Standard errors that a difference must be away from zero to be claimed: 99.8 % of single
/// looks without a difference stay below. Three quantiles of 28 daily looks, each of which has most
/// of its visits in common with the one before, exceed it in 5 % of the cases; a test says so.
pub(super) const CLAIM: f64 = 3.1;

/// One arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArmSummary {
    pub counts: Counts,
    /// From 0.0 to 1.0; `None` of nothing.
    pub http3_share: Option<f64>,
    pub failure_share: Option<f64>,
    pub loss_share: Option<f64>,
}

impl ArmSummary {
    pub(super) fn of(counts: Counts) -> Self {
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        Self {
            counts,
            http3_share: share(counts.http3_requests, counts.requests),
            failure_share: share(counts.failures, counts.requests),
            loss_share: share(counts.lost, counts.packets),
        }
    }
}

/// One quantile of both arms, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantile {
    pub probability: f64,
    pub offered: f64,
    pub withheld: f64,
    /// How much shorter it is where HTTP/3 is offered; negative: longer.
    pub saved: f64,
    /// The interval of 95 %, from its lower to its upper end.
    pub saved_between: [f64; 2],
    /// The same, in percent of the time without the offer.
    pub gain: f64,
    pub gain_between: [f64; 2],
    pub claim: Claim,
    /// The standard error of the ratio's logarithm.
    pub(super) error: f64,
}

/// What is claimed of one quantile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    None,
    Faster,
    Slower,
}

impl Claim {
    /// Of a difference of logarithms, positive where HTTP/3 is faster.
    pub(super) fn of(difference: f64, error: f64) -> Self {
        if difference.abs() <= CLAIM * error || difference == 0.0 {
            Self::None
        } else if difference > 0.0 {
            Self::Faster
        } else {
            Self::Slower
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_what_they_belong_to() {
        let counts = Counts {
            visitors: 10,
            connections: 20,
            http3_connections: 5,
            requests: 100,
            http3_requests: 40,
            failures: 3,
            failed_handshakes: 7,
            packets: 1000,
            lost: 12,
        };
        let arm = ArmSummary::of(counts);
        let shares = [arm.http3_share, arm.failure_share, arm.loss_share];
        assert_eq!((arm.counts, shares), (counts, [Some(0.4), Some(0.03), Some(0.012)]));
        let none = ArmSummary::of(Counts::default());
        assert_eq!([none.http3_share, none.failure_share, none.loss_share], [None; 3]);
    }
}
