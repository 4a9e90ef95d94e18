//! The rows of the status about what fails and why, the paths of QUIC connections, each upstream,
//! files, and what `quic_report` has found.

use crate::metrics::FileCacheTotals;
use crate::report::words::{bytes, millis, share};
use crate::report::{Failure, Report, UpstreamService};

pub(super) fn errors(report: &Report) -> String {
    let all = Failure::all(report);
    let said = all.iter().map(|one| format!("{} {}: {}", one.count, one.of, one.why));
    let said = said.collect::<Vec<_>>().join("; ");
    if said.is_empty() { "none".to_owned() } else { said }
}

pub(super) fn quic(report: &Report) -> String {
    let quic = report.metrics.quic();
    let (Some(half), Some(most), Some(window), Some(lost)) = (
        quic.rtt.quantile(0.5),
        quic.rtt.quantile(0.95),
        quic.window.quantile(0.5),
        share(quic.packets_lost, quic.packets_sent),
    ) else {
        return "no packets yet".to_owned();
    };
    format!(
        "RTT 50% within {}, 95% within {}; {lost} of {} packets lost, {} sent again; window 50% \
         within {}; {} reactions to congestion, {} clients moved",
        millis(half),
        millis(most),
        quic.packets_sent,
        bytes(quic.bytes_lost),
        bytes(window),
        quic.congestion_events,
        quic.migrated,
    )
}

pub(super) fn upstream(one: &UpstreamService) -> String {
    let traffic = &one.traffic;
    let reused = share(traffic.reused, traffic.requests).unwrap_or_else(|| "none".to_owned());
    let failures = match Failure::of_upstream(traffic) {
        none if none.is_empty() => String::new(),
        causes => format!(" ({causes})"),
    };
    format!(
        "{}: {} requests, {} failed{failures}, {} retries, ejected {} times, {} in flight, {} \
         waiting, {reused} over open connections",
        traffic.name,
        traffic.requests,
        traffic.failures(),
        traffic.retries,
        one.ejections,
        traffic.in_flight,
        one.queued,
    )
}

pub(super) fn files(report: &Report) -> String {
    let FileCacheTotals { hits, stale, misses } = report.metrics.files();
    let all = hits + stale + misses;
    let of = |count| share(count, all).unwrap_or_else(|| "none".to_owned());
    format!("{all} requests: {} from memory, {} compared with the disk", of(hits), of(stale))
}

/// The last reports, one for each site.
pub(super) fn quic_reports(report: &Report) -> impl Iterator<Item = String> {
    report.experiments.iter().map(|one| match one.latest() {
        Some(latest) => format!("{}: {}", one.site(), latest.report.answer()),
        None => format!("{}: the first report is being made", one.site()),
    })
}
