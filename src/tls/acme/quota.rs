//! How many certificates strangers' handshakes may cause; time is passed in.

use std::time::Duration;

/// From this many certificates on, the next comes only so many seconds after the last.
const QUICK: (u32, i64) = (10, 600);

/// Certificates obtained on demand, and when the last was.
#[derive(Debug, Default)]
pub(super) struct Quota {
    issued: u32,
    last: i64,
}

impl Quota {
    /// Whether one more may be obtained at `now`, in Unix seconds; else why not.
    pub(super) fn allows(&self, most: u32, now: i64) -> Result<(), String> {
        if self.issued >= most {
            return Err(format!("max_certs {most} is reached"));
        }
        if self.issued >= QUICK.0 && now - self.last < QUICK.1 {
            let pause = Duration::from_secs(QUICK.1.unsigned_abs());
            return Err(format!("the last was obtained within {pause:?}"));
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
        assert_eq!(quota.allows(10, 609), Err("max_certs 10 is reached".to_owned()));
    }
}
