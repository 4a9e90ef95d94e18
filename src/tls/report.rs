//! The state of a certificate in a report.

use super::pem::{Loaded, NOTICE};

/// A certificate of a listener, or one that is still to be obtained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateState {
    /// The first one stands for it.
    pub names: Vec<String>,
    /// The beginning of its validity in Unix seconds, which is about when a CA has issued it.
    pub from: Option<i64>,
    /// The end of its validity in Unix seconds; `None` while there is none.
    pub until: Option<i64>,
    /// Why the last attempt to obtain or renew it failed.
    pub failure: Option<RenewalFailure>,
}

/// A failed attempt at a certificate that has not succeeded since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalFailure {
    /// Unix second.
    pub at: i64,
    pub error: String,
    /// Unix second of the next attempt.
    pub next: i64,
}

impl CertificateState {
    pub(super) fn of(loaded: &Loaded) -> Self {
        let (from, until) = (Some(loaded.from), Some(loaded.until));
        Self { names: loaded.names.clone(), from, until, failure: None }
    }

    pub fn name(&self) -> &str {
        self.names.first().map_or("(no name)", String::as_str)
    }

    /// Whether it ends within 14 days of `now`, or has ended.
    pub fn ends_soon(&self, now: i64) -> bool {
        self.until.is_some_and(|until| until - now < NOTICE)
    }
}
