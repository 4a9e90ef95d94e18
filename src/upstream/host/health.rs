//! What a health check requests, and its result. All workers share the result, and it survives a
//! reload that does not change the check.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;

use crate::limits::{HEALTH_INTERVAL, HEALTH_TIMEOUT};
use crate::upstream::{Schedule, Shared};

/// The request of a health check and the responses that pass.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    /// Relative to the upstream's base path. None: no health check.
    pub(crate) path: Option<String>,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) port: Option<u16>,
    pub(crate) host: Option<HeaderValue>,
    pub(crate) statuses: Vec<RangeInclusive<u16>>,
    pub(crate) contains: Option<String>,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            path: None,
            interval: HEALTH_INTERVAL,
            timeout: HEALTH_TIMEOUT,
            port: None,
            host: None,
            statuses: Vec::new(),
            contains: None,
        }
    }
}

impl Check {
    /// The result of this check, shared with equal ones. `sent`: to whom it sends what, and how.
    pub(crate) fn health(&self, sent: &str) -> Option<Arc<Health>> {
        static KNOWN: Shared<Health> = Shared::new();
        let path = self.path.as_ref()?;
        let asked = (path, self.timeout, self.port, &self.host, &self.statuses, &self.contains);
        let key = format!("{asked:?} {sent}");
        Some(KNOWN.get(key, Health::default))
    }

    /// A status code, a class of them or a range: `204`, `2xx`, `200-299`.
    pub(crate) fn status(text: &str) -> Result<RangeInclusive<u16>, String> {
        let bad = || format!("'{text}' is not a status; write 200, 2xx or 200-299");
        let code = |text: &str| text.parse().ok().filter(|code| (100..=599).contains(code));
        let range = match (text.strip_suffix("xx"), text.split_once('-')) {
            (Some(class), _) => {
                let class = class.parse::<u16>().ok().filter(|class| (1..=5).contains(class));
                let first = class.ok_or_else(bad)? * 100;
                first..=first + 99
            }
            (None, Some((first, last))) => {
                code(first).ok_or_else(bad)?..=code(last).ok_or_else(bad)?
            }
            (None, None) => code(text).ok_or_else(bad)?..=code(text).ok_or_else(bad)?,
        };
        if range.is_empty() { Err(bad()) } else { Ok(range) }
    }

    pub(crate) fn takes(&self, status: u16) -> bool {
        match self.statuses.as_slice() {
            [] => (200..400).contains(&status),
            statuses => statuses.iter().any(|range| range.contains(&status)),
        }
    }
}

/// The result of the health checks of an upstream.
#[derive(Debug, Default)]
pub(crate) struct Health {
    down: AtomicBool,
    ejections: AtomicU64,
    pub(crate) schedule: Schedule,
}

impl Health {
    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// Records a result; returns whether it changes the state.
    pub(crate) fn set_down(&self, down: bool) -> bool {
        let changes = self.down.swap(down, Ordering::Relaxed) != down;
        self.ejections.fetch_add((changes && down).into(), Ordering::Relaxed);
        changes
    }

    /// How often it went down.
    pub(crate) fn ejections(&self) -> u64 {
        self.ejections.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read() {
        for (text, range) in [("204", 204..=204), ("2xx", 200..=299), ("200-399", 200..=399)] {
            assert_eq!(Check::status(text), Ok(range), "{text}");
        }
        for text in ["", "20", "600", "6xx", "x", "300-200", "2x", "200-", "-"] {
            assert!(Check::status(text).is_err(), "{text}");
        }
    }

    #[test]
    fn statuses_are_taken() {
        let mut check = Check::default();
        assert!(check.takes(200) && check.takes(399) && !check.takes(400) && !check.takes(199));
        check.statuses = vec![204..=204, 500..=599];
        assert!(check.takes(204) && check.takes(503) && !check.takes(200));
    }
}
