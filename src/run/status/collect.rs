//! Collects the state of the process from the configuration in force, the workers and the log.

use std::time::Duration;

use chrono::Local;

use crate::daemon;
use crate::metrics::{Metrics, Totals};
use crate::report::{Changes, Configuration, Fleet, Minute, Report, UpstreamState};
use crate::site::Snapshot;
use crate::tls::CertificateState;

/// The parts that the status keeps itself.
pub(super) struct Kept {
    pub(super) configuration: Configuration,
    pub(super) changes: Changes,
    pub(super) totals: Totals,
    pub(super) metrics: Metrics,
    pub(super) uptime: Duration,
    pub(super) minute: Minute,
    pub(super) generation: u32,
    pub(super) fleet: Option<Fleet>,
}

pub(super) fn report(snapshot: &Snapshot, kept: Kept) -> Report {
    let Kept { configuration, changes, totals, metrics, uptime, minute, generation, fleet } = kept;
    Report {
        now: Local::now(),
        pid: std::process::id(),
        generation,
        uptime,
        configuration,
        changes,
        totals,
        metrics,
        series: snapshot.series.clone(),
        minute,
        upstreams: upstreams(snapshot),
        certificates: certificates(snapshot),
        experiments: snapshot.experiments.clone(),
        lines_lost: daemon::lines_lost(),
        fleet,
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
