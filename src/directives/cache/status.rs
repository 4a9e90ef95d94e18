//! What a response says of the cache: `Cache-Status` (RFC 9211), and a field with one word.

use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::entry::Entry;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// How a response came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// From the store, with the seconds that it is still fresh.
    Hit(i64),
    /// From the store although it is stale.
    Stale(i64),
    /// From the store after its origin has confirmed it.
    Revalidated,
    /// From the store, as its origin failed with this status.
    InsteadOf(StatusCode),
    /// From the origin; whether it is stored now.
    Miss { why: Forwarded, stored: bool },
    /// Nothing that the cache has to do with.
    Bypass(Forwarded),
}

/// Why a request went to the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forwarded {
    Absent,
    Stale,
    /// The client asked for it.
    Request,
    Method,
    Bypass,
}

impl Forwarded {
    /// Why what is known is not used.
    pub(super) fn because(known: Option<&Arc<Entry>>) -> Self {
        match known {
            None => Self::Absent,
            Some(entry) if entry.freshness.remaining(SystemTime::now()) > 0 => Self::Request,
            Some(_) => Self::Stale,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Absent => "miss",
            Self::Stale => "stale",
            Self::Request => "request",
            Self::Method => "method",
            Self::Bypass => "bypass",
        }
    }
}

impl Outcome {
    /// As the plugin of Caddy 1 named it, and more.
    fn word(self) -> &'static str {
        match self {
            Self::Hit(_) => "hit",
            Self::Stale(_) | Self::InsteadOf(_) => "stale",
            Self::Revalidated => "revalidated",
            Self::Miss { stored: true, .. } => "miss",
            Self::Miss { stored: false, .. } => "skip",
            Self::Bypass(_) => "bypass",
        }
    }

    fn member(self) -> String {
        match self {
            Self::Hit(ttl) | Self::Stale(ttl) => format!("Caddy; hit; ttl={ttl}"),
            Self::Revalidated => "Caddy; hit; fwd=stale; fwd-status=304".to_owned(),
            Self::InsteadOf(status) => {
                format!("Caddy; hit; fwd=stale; fwd-status={}", status.as_u16())
            }
            Self::Miss { why, stored: true } => format!("Caddy; fwd={}; stored", why.word()),
            Self::Miss { why, stored: false } | Self::Bypass(why) => {
                format!("Caddy; fwd={}", why.word())
            }
        }
    }

    /// Adds both fields.
    pub(super) fn tell(self, headers: &mut HeaderMap, name: &HeaderName) {
        headers.insert(name, HeaderValue::from_static(self.word()));
        if let Ok(member) = HeaderValue::try_from(self.member()) {
            headers.append(CACHE_STATUS, member);
        }
    }
}
