//! The quota of on-demand certificates. The time is passed in.

use std::time::Duration;

/// After this number of certificates, the minimum interval in seconds applies.
const QUICK: (u32, i64) = (10, 600);

/// The number of certificates obtained on demand, and the time of the last one.
#[derive(Debug, Default)]
pub(super) struct Quota {
    issued: u32,
    last: i64,
    /// Those that are being obtained: each may become one.
    pending: u32,
}

impl Quota {
    /// Takes a place for another certificate at `now`, in Unix seconds, until [`Self::end`]; the
    /// error is the reason why there is none. `None`: there is no limit.
    pub(super) fn begin(&mut self, most: Option<u32>, now: i64) -> Result<(), String> {
        if let Some(most) = most {
            let all = self.issued.saturating_add(self.pending);
            if all >= most {
                return Err(format!("max_certs {most} has been reached"));
            }
            if all >= QUICK.0 && (self.pending > 0 || now - self.last < QUICK.1) {
                let pause = Duration::from_secs(QUICK.1.unsigned_abs());
                return Err(format!("the last certificate was obtained less than {pause:?} ago"));
            }
        }
        self.pending += 1;
        Ok(())
    }

    /// The attempt has ended: with a certificate at this time, or without one.
    pub(super) fn end(&mut self, obtained: Option<i64>) {
        self.pending -= 1;
        if let Some(now) = obtained {
            self.issued += 1;
            self.last = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_waits_and_the_last_is_the_last() {
        let mut quota = Quota::default();
        for now in 0..10 {
            assert_eq!(quota.begin(Some(12), now), Ok(()));
            quota.end(Some(now));
        }
        assert!(quota.begin(Some(12), 608).unwrap_err().contains("600s"));
        assert_eq!(quota.begin(Some(10), 609), Err("max_certs 10 has been reached".to_owned()));
        assert_eq!(quota.begin(Some(12), 609), Ok(()));
        assert!(quota.begin(Some(12), 609).unwrap_err().contains("600s"), "one is under way");
        quota.end(None);
        assert_eq!(quota.begin(Some(12), 609), Ok(()));
    }

    #[test]
    fn names_at_the_same_time_count_together() {
        let mut quota = Quota::default();
        for _ in 0..3 {
            assert_eq!(quota.begin(Some(3), 0), Ok(()));
        }
        assert_eq!(quota.begin(Some(3), 0), Err("max_certs 3 has been reached".to_owned()));
        assert_eq!(quota.begin(None, 0), Ok(()));
        quota.end(None);
        quota.end(None);
        assert_eq!(quota.begin(Some(3), 0), Ok(()));
    }
}
