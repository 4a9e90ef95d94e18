//! The content of a status, collected at one time.

use std::time::Duration;

use chrono::{DateTime, Local};

use super::configuration::Configuration;
use crate::daemon;
use crate::metrics::{Protocol, Totals};
use crate::site::{Snapshot, UpstreamState};
use crate::tls::{CertificateState, RenewalFailure};

/// The state of the service.
pub(super) struct Report {
    pub(super) now: DateTime<Local>,
    pub(super) pid: u32,
    /// 1 for the first process of the service, plus 1 for each upgrade.
    pub(super) generation: u32,
    pub(super) uptime: Duration,
    pub(super) configuration: Configuration,
    pub(super) totals: Totals,
    /// Requests per second.
    pub(super) last_minute: f64,
    /// Each name once.
    pub(super) upstreams: Vec<UpstreamState>,
    /// Each certificate once, the one that ends first in front.
    pub(super) certificates: Vec<CertificateState>,
    pub(super) lines_lost: u64,
}

/// What the workers have counted, and over what time.
pub(super) struct Counted {
    pub(super) totals: Totals,
    pub(super) uptime: Duration,
    pub(super) last_minute: f64,
}

impl Report {
    pub(super) fn new(
        snapshot: &Snapshot,
        configuration: Configuration,
        counted: Counted,
        generation: u32,
    ) -> Self {
        Self {
            now: Local::now(),
            pid: std::process::id(),
            generation,
            uptime: counted.uptime,
            configuration,
            totals: counted.totals,
            last_minute: counted.last_minute,
            upstreams: upstreams(snapshot),
            certificates: certificates(snapshot),
            lines_lost: daemon::lines_lost(),
        }
    }

    /// Requests per second since the start.
    pub(super) fn since_start(&self) -> f64 {
        let seconds = self.uptime.as_secs_f64();
        if seconds > 0.0 { self.totals.requests() as f64 / seconds } else { 0.0 }
    }

    /// The share of a protocol in all requests, in whole percent; `None` without requests.
    pub(super) fn percent(&self, protocol: Protocol) -> Option<u64> {
        self.totals.share(protocol).map(|share| (share * 100.0).round() as u64)
    }

    pub(super) fn down(&self) -> impl Iterator<Item = &UpstreamState> {
        self.upstreams.iter().filter(|upstream| upstream.down.is_some())
    }

    /// The certificates that end within 14 days, or have ended.
    pub(super) fn ending(&self) -> impl Iterator<Item = &CertificateState> {
        let now = self.now.timestamp();
        self.certificates.iter().filter(move |one| one.ends_soon(now))
    }

    /// The certificate that ends first.
    pub(super) fn next(&self) -> Option<(&CertificateState, i64)> {
        self.certificates.iter().find_map(|one| Some((one, one.until?)))
    }

    /// Certificates whose last attempt failed, the latest first.
    pub(super) fn failed(&self) -> Vec<(&str, &RenewalFailure)> {
        let of = |one: &'_ CertificateState| one.failure.is_some();
        let mut failed: Vec<_> = self.certificates.iter().filter(|one| of(one)).collect();
        failed.sort_by_key(|one| std::cmp::Reverse(one.failure.as_ref().map(|why| why.at)));
        failed.into_iter().filter_map(|one| Some((one.name(), one.failure.as_ref()?))).collect()
    }

    /// The days until a Unix second; negative when it has passed.
    pub(super) fn days_until(&self, at: i64) -> i64 {
        (at - self.now.timestamp()).div_euclid(24 * 3600)
    }
}

/// Of all sites; one that several sites name is told once, as down if one of them finds it so.
fn upstreams(snapshot: &Snapshot) -> Vec<UpstreamState> {
    let mut all: Vec<_> = snapshot.upstreams.iter().flat_map(|report| report()).collect();
    all.sort_by(|a, b| {
        (&a.name, a.down.is_none(), &a.site).cmp(&(&b.name, b.down.is_none(), &b.site))
    });
    all.dedup_by(|later, first| later.name == first.name);
    all
}

fn certificates(snapshot: &Snapshot) -> Vec<CertificateState> {
    let listeners = snapshot.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    let mut all: Vec<_> = listeners.flat_map(|tls| tls.certificates()).collect();
    // Those that are missing come last.
    let order = |one: &CertificateState| (one.until.unwrap_or(i64::MAX), one.names.clone());
    all.sort_by_cached_key(order);
    all.dedup();
    all
}
