//! When a name that failed is tried again: later each time, and remembered on disk, so that a
//! restart loop cannot hammer the CA.
//!
//! The bound to stay inside is Let's Encrypt's five failed validations per account and name in
//! an hour; an attempt makes two at most, one per challenge.

use std::time::Duration;

use serde_json::{Value, json};

use super::failure::{Failure, Kind};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
/// After a refusal. Two validations each: four within any hour.
const REFUSED: [i64; 6] = [20 * MINUTE, 65 * MINUTE, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR];
/// After trouble on the way to the CA: doubled from here up to the last.
const TROUBLE: (i64, i64) = (2, HOUR);
/// A CA that says it is busy without saying for how long.
const BUSY: i64 = HOUR;
/// A CA's word is kept up to this.
const LONGEST: i64 = 24 * HOUR;

/// Failures of one name in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    refusals: usize,
    troubles: u32,
    /// Unix seconds before which it is not tried; 0 for at once.
    pub(super) next: i64,
}

impl Backoff {
    /// What was written by [`Self::to_bytes`]; anything else counts as no failure.
    pub(super) fn from_bytes(bytes: &[u8], now: i64) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let number = |name: &str| value.get(name)?.as_u64();
        Some(Self {
            refusals: usize::try_from(number("refusals")?).ok()?,
            troubles: u32::try_from(number("troubles")?).ok()?,
            // A clock that was wrong when this was written must not stop the name for years.
            next: i64::try_from(number("next")?).ok()?.min(now + LONGEST + LONGEST / 4),
        })
    }

    pub(super) fn to_bytes(&self, why: &str) -> Vec<u8> {
        let value = json!({
            "refusals": self.refusals, "troubles": self.troubles, "next": self.next, "why": why,
        });
        value.to_string().into_bytes()
    }

    /// Counts a failure; how long to wait now.
    pub(super) fn failed(&mut self, failure: &Failure, now: i64) -> Duration {
        let wait = match failure.kind {
            Kind::Refused => {
                self.refusals += 1;
                REFUSED[(self.refusals - 1).min(REFUSED.len() - 1)]
            }
            Kind::Trouble => {
                self.troubles += 1;
                let (first, last) = TROUBLE;
                first.saturating_mul(1 << (self.troubles - 1).min(20)).min(last)
            }
            Kind::Busy(until) => until.map_or(BUSY, |until| (until - now).clamp(1, LONGEST)),
        };
        // Up to a quarter more: names that failed together do not come back together.
        let wait = wait + fastrand::i64(0..=wait / 4 + 1);
        self.next = now + wait;
        Duration::from_secs(wait.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: Kind) -> Failure {
        Failure { kind, text: "why".to_owned() }
    }

    #[test]
    fn refusals_stay_inside_five_validations_an_hour() {
        let mut backoff = Backoff::default();
        let mut times = Vec::new();
        let mut now = 0;
        while now < 100 * HOUR {
            times.push(now);
            backoff.failed(&failure(Kind::Refused), now);
            now = backoff.next;
        }
        for start in &times {
            let validations =
                2 * times.iter().filter(|t| (*start..start + HOUR).contains(*t)).count();
            assert!(validations <= 5, "{validations} in the hour from {start}");
        }
        assert!(times.len() > 8, "{times:?}");
    }

    #[test]
    fn trouble_is_tried_soon_and_a_busy_ca_when_it_says() {
        let mut backoff = Backoff::default();
        let first = backoff.failed(&failure(Kind::Trouble), 1000).as_secs();
        assert!((2..=4).contains(&first), "{first}");
        for _ in 0..40 {
            let wait = backoff.failed(&failure(Kind::Trouble), 1000).as_secs();
            assert!(wait <= 4600, "{wait}");
        }
        let wait = backoff.failed(&failure(Kind::Busy(Some(1100))), 1000).as_secs();
        assert!((100..=126).contains(&wait), "{wait}");
        let bytes = backoff.to_bytes("why");
        assert_eq!(Backoff::from_bytes(&bytes, 1000), Some(backoff));
        assert_eq!(Backoff::from_bytes(b"{", 1000), None);
    }
}
