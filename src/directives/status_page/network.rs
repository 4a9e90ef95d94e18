//! The tables of what goes wrong, with causes, of the paths of QUIC connections, and of the
//! requests to upstreams and for files.

use serde_json::Value;

use super::cells::{Layout, ROWS, Table, bad_if, cell, dash, left_out, numbers, words};
use crate::metrics::FileCacheTotals;
use crate::report::words::{bytes, compact, count, millis, share};
use crate::report::{Failure, Report, UpstreamService};

/// What has failed since the start of the process, the most frequent first.
pub(super) fn errors(report: &Report) -> Value {
    let row = |one: Failure| vec![cell(one.of), cell(one.why), cell(compact(one.count))];
    Table {
        id: "errors",
        title: "Errors since the start",
        columns: vec![words("Of"), words("Cause"), numbers("Number")],
        rows: Failure::all(report).into_iter().map(row).collect(),
        empty: "None.",
        more: String::new(),
        layout: Layout::Column,
    }
    .value()
}

pub(super) fn quic(report: &Report) -> Value {
    let quic = report.metrics.quic();
    let within = |share: f64| quic.rtt.quantile(share).map_or_else(dash, millis);
    let window = quic.window.quantile(0.5).map_or_else(dash, bytes);
    let rows = [
        ("RTT, median", within(0.5)),
        ("RTT, 95% within", within(0.95)),
        ("Congestion window, half within", window),
        ("Packets sent", compact(quic.packets_sent)),
        ("Packets lost", share(quic.packets_lost, quic.packets_sent).unwrap_or_else(dash)),
        ("Bytes sent again", compact(quic.bytes_lost)),
        ("Reactions to congestion", compact(quic.congestion_events)),
        ("Clients that moved", compact(quic.migrated)),
        ("Clients that proved their address (Retry)", compact(quic.retries)),
    ];
    let is_empty = quic.packets_sent == 0;
    let rows = rows.map(|(name, value)| vec![cell(name), cell(value)]);
    Table {
        id: "quic",
        title: "Paths of QUIC connections",
        columns: vec![words("Since the start"), numbers("")],
        rows: if is_empty { Vec::new() } else { rows.to_vec() },
        empty: "No packet was counted yet.",
        more: String::new(),
        layout: Layout::Column,
    }
    .value()
}

/// Upstreams with the most failures come first.
pub(super) fn upstream_requests(report: &Report) -> Value {
    let mut all = report.services();
    all.sort_by_key(|one| std::cmp::Reverse(one.traffic.failures()));
    let row = |one: &UpstreamService| {
        let traffic = &one.traffic;
        let failures = Failure::of_upstream(traffic);
        let failures = if failures.is_empty() { "none".to_owned() } else { failures };
        vec![
            cell(&*traffic.name),
            cell(compact(traffic.requests)),
            bad_if(traffic.failures() > 0, failures),
            cell(compact(traffic.retries)),
            cell(compact(one.ejections)),
            cell(compact(traffic.in_flight)),
            cell(compact(one.queued as u64)),
            cell(share(traffic.reused, traffic.requests).unwrap_or_else(dash)),
        ]
    };
    let columns = [
        words("Upstream"),
        numbers("Requests"),
        words("Failures"),
        numbers("Retries"),
        numbers("Ejected"),
        numbers("In flight"),
        numbers("Waiting"),
        numbers("Connection reused"),
    ];
    Table {
        id: "upstream-requests",
        title: "Requests to upstreams since the start",
        columns: columns.to_vec(),
        rows: all.iter().take(ROWS).map(row).collect(),
        empty: "The configuration has no upstreams.",
        more: left_out(all.len(), |rest| format!("And {}.", count(rest, "more upstream"))),
        layout: Layout::Wide,
    }
    .value()
}

pub(super) fn files(report: &Report) -> Value {
    let FileCacheTotals { hits, stale, misses } = report.metrics.files();
    let all = hits + stale + misses;
    let row = |name: &str, count: u64| {
        vec![cell(name), cell(compact(count)), cell(share(count, all).unwrap_or_else(dash))]
    };
    let rows = vec![
        row("From memory", hits),
        row("Compared with the disk", stale),
        row("Looked for on the disk", misses),
    ];
    Table {
        id: "files",
        title: "Files",
        columns: vec![words("Since the start"), numbers("Requests"), numbers("Share")],
        rows: if all == 0 { Vec::new() } else { rows },
        empty: "No file was asked for.",
        more: String::new(),
        layout: Layout::Column,
    }
    .value()
}
