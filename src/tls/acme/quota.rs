//! The quota of on-demand certificates. The time is passed in.

use std::time::Duration;

/// After this number of certificates, the minimum interval in seconds applies.
const QUICK: (u32, i64) = (10, 600);

/// The number of certificates obtained on demand, and the time of the last one.
#[derive(Debug, Default)]
pub(super) struct Quota {
    issued: u32,
    last: i64,
}

impl Quota {
    /// Whether another certificate may be obtained at `now`, in Unix seconds; the error is the
    /// reason.
    pub(super) fn allows(&self, most: u32, now: i64) -> Result<(), String> {
        if self.issued >= most {
            return Err(format!("max_certs {most} has been reached"));
        }
        if self.issued >= QUICK.0 && now - self.last < QUICK.1 {
            let pause = Duration::from_secs(QUICK.1.unsigned_abs());
            return Err(format!("the last certificate was obtained less than {pause:?} ago"));
        }
        Ok(())
    }

    pub(super) fn count(&mut self, now: i64) {
        self.issued += 1;
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_waits_and_the_last_is_the_last() {
        let mut quota = Quota::default();
        for now in 0..10 {
            assert_eq!(quota.allows(12, now), Ok(()));
            quota.count(now);
        }
        assert!(quota.allows(12, 608).unwrap_err().contains("600s"));
        assert_eq!(quota.allows(12, 609), Ok(()));
        assert_eq!(quota.allows(10, 609), Err("max_certs 10 has been reached".to_owned()));
    }
}
