//! What may be claimed. A claim is the same for whoever looks once and whoever looks every day for
//! four weeks, at three quantiles: a difference that is none is claimed in one of twenty cases at
//! most. So it needs more than an interval of 95 % that leaves out zero.

use super::figures::{CLAIM, Claim, Quantile};

/// The smallest difference that has to be seen before "no difference" is said, as a logarithm:
/// 10 %.
const SEEN: f64 = 0.105_36;
/// The standard error with which it is claimed in four of five cases.
const PRECISE: f64 = SEEN / (CLAIM + 0.84);

/// The answer to the question of the site's operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// About so many more visits are needed to see a difference of 10 %.
    TooFew { more: u64 },
    /// If there is one, it is below 10 %.
    NoDifference,
    /// Visitors who are offered HTTP/3 wait less, at one of the quantiles at least.
    Faster,
    /// They wait longer.
    Slower,
    /// Some wait less, some longer.
    Mixed,
}

impl Verdict {
    /// `visitors` is the number of both arms, `least` what the median needs at all.
    pub(super) fn of(quantiles: &[Option<Quantile>; 3], visitors: u64, least: u64) -> Self {
        let claims = |wanted| quantiles.iter().flatten().any(|one| one.claim == wanted);
        match (claims(Claim::Faster), claims(Claim::Slower)) {
            (true, true) => return Self::Mixed,
            (true, false) => return Self::Faster,
            (false, true) => return Self::Slower,
            (false, false) => {}
        }
        let Some(median) = &quantiles[0] else {
            return Self::TooFew { more: rounded(least.saturating_sub(visitors).max(1)) };
        };
        if median.error <= PRECISE {
            return Self::NoDifference;
        }
        let needed = visitors as f64 * (median.error / PRECISE).powi(2);
        Self::TooFew { more: rounded((needed - visitors as f64).ceil() as u64) }
    }

    /// What [`Self::name`] may be.
    pub const NAMES: [&str; 5] = ["too_few_visits", "no_difference", "faster", "slower", "mixed"];

    pub fn name(self) -> &'static str {
        match self {
            Self::TooFew { .. } => "too_few_visits",
            Self::NoDifference => "no_difference",
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Mixed => "mixed",
        }
    }
}

/// Two digits: the rest would promise what nobody knows.
fn rounded(n: u64) -> u64 {
    let unit = 10_u64.pow(n.max(1).ilog10().saturating_sub(1));
    n.div_ceil(unit) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_visits_have_two_digits() {
        for (exact, said) in [(0, 0), (7, 7), (99, 99), (101, 110), (3401, 3500), (12_345, 13_000)]
        {
            assert_eq!(rounded(exact), said);
        }
    }

    #[test]
    fn what_is_within_the_error_is_no_claim() {
        assert_eq!(Claim::of(0.2, 0.1), Claim::None);
        assert_eq!(Claim::of(0.4, 0.1), Claim::Faster);
        assert_eq!(Claim::of(-0.4, 0.1), Claim::Slower);
        // All answers of both arms took the same time.
        assert_eq!(Claim::of(0.0, 0.0), Claim::None);
    }
}
