//! The content of a report.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Local};

use super::configuration::{Changes, Configuration};
use super::fleet::Fleet;
use super::history::Minute;
use super::upstreams::{UpstreamService, UpstreamState};
use crate::experiment::Experiment;
use crate::metrics::{Metrics, Protocol, Totals};
use crate::tls::{CertificateState, RenewalFailure};

/// How the requests of a site are named where metrics are exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// As [`crate::metrics::SiteTotals`] has it.
    pub site: Arc<str>,
    /// The label `host`.
    pub host: String,
    /// Further labels with their values.
    pub labels: Vec<(String, String)>,
}

/// The state of the process at one time.
#[derive(Debug)]
pub struct Report {
    pub now: DateTime<Local>,
    pub pid: u32,
    /// 1 for the first process of the service, plus 1 for each upgrade.
    pub generation: u32,
    pub uptime: Duration,
    pub configuration: Configuration,
    /// Reloads and failed upgrades, with the latest of them.
    pub changes: Changes,
    pub totals: Totals,
    /// Where the totals come from, for further sums: by site, upstream, handshake, path.
    pub metrics: Metrics,
    /// How sites are named where metrics are exported, of those that have `prometheus`.
    pub series: Vec<Series>,
    pub minute: Minute,
    /// Each name once.
    pub upstreams: Vec<UpstreamState>,
    /// Each certificate once, the one that ends first in front.
    pub certificates: Vec<CertificateState>,
    /// Of sites with `quic_report`.
    pub experiments: Vec<Arc<Experiment>>,
    pub lines_lost: u64,
    /// `None` without `-fleet`.
    pub fleet: Option<Fleet>,
}

impl Report {
    /// Requests per second in the last minute.
    pub fn last_minute(&self) -> f64 {
        self.minute.per_second(self.minute.counted.all())
    }

    /// Requests per second since the start.
    pub fn since_start(&self) -> f64 {
        let seconds = self.uptime.as_secs_f64();
        if seconds > 0.0 { self.totals.requests() as f64 / seconds } else { 0.0 }
    }

    /// The share of a protocol in all requests, in whole percent; `None` without requests.
    pub fn percent(&self, protocol: Protocol) -> Option<u64> {
        self.totals.share(protocol).map(|share| (share * 100.0).round() as u64)
    }

    /// The upstreams with the requests to them, by name.
    pub fn services(&self) -> Vec<UpstreamService> {
        UpstreamService::all(&self.upstreams, self.metrics.upstreams())
    }

    pub fn down(&self) -> impl Iterator<Item = &UpstreamState> {
        self.upstreams.iter().filter(|upstream| upstream.down.is_some())
    }

    /// The certificates that end within 14 days, or have ended.
    pub fn ending(&self) -> impl Iterator<Item = &CertificateState> {
        let now = self.now.timestamp();
        self.certificates.iter().filter(move |one| one.ends_soon(now))
    }

    /// The certificate that ends first.
    pub fn next(&self) -> Option<(&CertificateState, i64)> {
        self.certificates.iter().find_map(|one| Some((one, one.until?)))
    }

    /// Certificates whose last attempt failed, the latest first.
    pub fn failed(&self) -> Vec<(&str, &RenewalFailure)> {
        let of = |one: &'_ CertificateState| one.failure.is_some();
        let mut failed: Vec<_> = self.certificates.iter().filter(|one| of(one)).collect();
        failed.sort_by_key(|one| std::cmp::Reverse(one.failure.as_ref().map(|why| why.at)));
        failed.into_iter().filter_map(|one| Some((one.name(), one.failure.as_ref()?))).collect()
    }

    /// The days until a Unix second; negative when it has passed.
    pub fn days_until(&self, at: i64) -> i64 {
        (at - self.now.timestamp()).div_euclid(24 * 3600)
    }
}
