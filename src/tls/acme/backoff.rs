//! The backoff after failed attempts. It is stored on disk, so that a restart loop does not
//! overload the CA.
//!
//! It stays within Let's Encrypt's limit of five failed validations per account, name and hour; an
//! attempt makes at most two, one per challenge.

use std::time::Duration;

use serde_json::{Value, json};

use super::failure::{Failure, Kind};
use crate::tls::report::RenewalFailure;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
/// Waits after refusals. With two validations each: at most four within any hour.
const REFUSED: [i64; 6] = [20 * MINUTE, 65 * MINUTE, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR];
/// First and last wait after connection or server errors; doubled each time.
const TROUBLE: (i64, i64) = (2, HOUR);
/// The wait for a busy CA without Retry-After.
const BUSY: i64 = HOUR;
/// The maximum for Retry-After.
const LONGEST: i64 = 24 * HOUR;

/// Consecutive failures of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    refusals: usize,
    troubles: u32,
    /// Unix second of the next attempt; 0: at once.
    pub(super) next: i64,
}

impl Backoff {
    /// Parses the output of [`Self::to_bytes`]; `None` for anything else.
    pub(super) fn from_bytes(bytes: &[u8], now: i64) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let number = |name: &str| value.get(name)?.as_u64();
        Some(Self {
            refusals: usize::try_from(number("refusals")?).ok()?,
            troubles: u32::try_from(number("troubles")?).ok()?,
            // Bounds the wait in case the clock was wrong when this was written.
            next: i64::try_from(number("next")?).ok()?.min(now + LONGEST + LONGEST / 4),
        })
    }

    pub(super) fn to_bytes(&self, last: &RenewalFailure) -> Vec<u8> {
        let value = json!({
            "refusals": self.refusals, "troubles": self.troubles, "next": self.next,
            "at": last.at, "why": last.error,
        });
        value.to_string().into_bytes()
    }

    /// The last failure in the output of [`Self::to_bytes`]. An older version wrote no time.
    pub(super) fn last_failure(bytes: &[u8]) -> Option<RenewalFailure> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let (at, error) = (value["at"].as_i64()?, value["why"].as_str()?.to_owned());
        Some(RenewalFailure { at, error, next: value["next"].as_i64()? })
    }

    /// Counts a failure; returns the wait until the next attempt.
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
        // Jitter of up to a quarter, so that names that failed together are spread.
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
        let last = RenewalFailure { at: 1000, error: "why".to_owned(), next: backoff.next };
        let bytes = backoff.to_bytes(&last);
        assert_eq!(Backoff::last_failure(&bytes), Some(last));
        let old = br#"{"refusals":1,"troubles":0,"next":5,"why":"no time"}"#;
        assert_eq!(Backoff::last_failure(old), None);
        assert_eq!(Backoff::from_bytes(&bytes, 1000), Some(backoff));
        assert_eq!(Backoff::from_bytes(b"{", 1000), None);
    }
}
