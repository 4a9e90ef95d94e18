//! The tables of the page.

use serde_json::Value;

use super::cells::{Layout, ROWS, Table, bad_if, cell, dash, left_out, numbers, short, words};
use super::charts::PERCENTILES;
use super::{fleet, network};
use crate::metrics::{Latencies, Protocol, ProtocolTotals};
use crate::report::words::{bytes, compact, count, date, day, millis, names, percent};
use crate::report::{Attempt, Report, UpstreamState};
use crate::tls::CertificateState;

pub(super) fn all(report: &Report) -> Vec<Value> {
    let always = [
        last_minute(report),
        network::errors(report),
        upstreams(report),
        network::quic(report),
        network::upstream_requests(report),
        certificates(report),
        changes(report),
        network::files(report),
        since_start(report),
    ];
    always.into_iter().chain(fleet::machines(report)).collect()
}

/// A row with what `value` says of each protocol and of all.
fn row(name: &str, value: impl Fn(Option<Protocol>) -> String) -> Vec<Value> {
    let protocols = Protocol::ALL.map(Some).into_iter().chain([None]);
    std::iter::once(cell(name)).chain(protocols.map(|one| cell(value(one)))).collect()
}

/// The rows of percentiles of what `times` says of each protocol and of all.
fn percentiles(times: impl Fn(Option<Protocol>) -> Latencies) -> Vec<Vec<Value>> {
    let times: Vec<_> = Protocol::ALL.map(Some).into_iter().chain([None]).map(times).collect();
    let rows = PERCENTILES.iter().map(|one| {
        let known = times.iter().map(|times| times.quantile(one.share).map_or(dash(), millis));
        std::iter::once(cell(one.name)).chain(known.map(cell)).collect()
    });
    rows.collect()
}

fn last_minute(report: &Report) -> Value {
    let minute = &report.minute;
    let requests = |one: Option<Protocol>| match one {
        Some(protocol) => minute.counted.of_protocol(protocol),
        None => minute.counted.all(),
    };
    let share = |one: Option<Protocol>| match one {
        Some(protocol) => minute.share(protocol).map_or(dash(), percent),
        None => String::new(),
    };
    let mut rows = vec![row("Requests", |one| compact(requests(one))), row("Share", share)];
    rows.extend(percentiles(|one| match one {
        Some(protocol) => minute.latency.of_protocol(protocol).clone(),
        None => minute.latency.all(),
    }));
    Table::by_protocol("minute", "Last minute by protocol", rows)
}

fn since_start(report: &Report) -> Value {
    let totals = &report.totals;
    let sum = |one: Option<Protocol>, value: &dyn Fn(&ProtocolTotals) -> u64| match one {
        Some(protocol) => value(totals.of(protocol)),
        None => totals.sum(value),
    };
    let counts = |name: &str, value: &dyn Fn(&ProtocolTotals) -> u64| {
        row(name, |one| compact(sum(one, value)))
    };
    let mut rows = vec![counts("Requests", &ProtocolTotals::requests)];
    for class in 0..5 {
        rows.push(counts(&format!("{}xx", class + 1), &|one| one.classes[class]));
    }
    rows.push(counts("In flight", &|one| one.in_flight));
    rows.push(row("Content", |one| bytes(sum(one, &|one| one.bytes))));
    rows.push(counts("Connections", &|one| one.opened));
    rows.push(counts("Open now", &|one| one.open));
    rows.extend(percentiles(|one| match one {
        Some(protocol) => totals.of(protocol).latency.clone(),
        None => totals.latency(),
    }));
    Table::by_protocol("start", "Since the start by protocol", rows)
}

fn upstreams(report: &Report) -> Value {
    let mut all: Vec<&UpstreamState> = report.upstreams.iter().collect();
    // Those that are down come first.
    all.sort_by_key(|one| one.down.is_none());
    let row = |one: &&UpstreamState| {
        let state = one.down.map_or("up".to_owned(), |why| format!("down: {why}"));
        vec![cell(&*one.name), cell(&*one.site), bad_if(one.down.is_some(), state)]
    };
    Table {
        id: "upstreams",
        title: "Upstreams",
        columns: ["Upstream", "Site", "State"].map(words).to_vec(),
        rows: all.iter().take(ROWS).map(row).collect(),
        empty: "The configuration has no upstreams.",
        more: left_out(all.len(), |rest| {
            let down = all[ROWS..].iter().filter(|one| one.down.is_some()).count();
            format!("And {}, of which {down} are down.", count(rest, "more upstream"))
        }),
        layout: Layout::Column,
    }
    .value()
}

fn certificates(report: &Report) -> Value {
    let mut all: Vec<&CertificateState> = report.certificates.iter().collect();
    let now = report.now.timestamp();
    // Those that are missing need attention first.
    all.sort_by_key(|one| one.until.is_some());
    let row = |one: &&CertificateState| {
        let is_bad = one.until.is_none() || one.ends_soon(now);
        let (ends, days) = match one.until {
            Some(until) => (day(until), report.days_until(until).to_string()),
            None => ("not yet obtained".to_owned(), dash()),
        };
        let issued = one.from.map_or_else(dash, day);
        let error = one.failure.as_ref().map_or("none".to_owned(), |failure| {
            format!("{}: {}", date(failure.at), failure.error)
        });
        vec![
            cell(names(one)),
            bad_if(is_bad, ends),
            cell(days),
            cell(issued),
            bad_if(one.failure.is_some(), error),
        ]
    };
    Table {
        id: "certificates",
        title: "Certificates",
        columns: vec![
            words("Names"),
            short("Ends"),
            numbers("Days left"),
            short("Issued"),
            words("Error of the last renewal"),
        ],
        rows: all.iter().take(ROWS).map(row).collect(),
        empty: "None from files or a CA.",
        more: left_out(all.len(), |rest| {
            format!("And {}, which end later.", count(rest, "more certificate"))
        }),
        layout: Layout::Wide,
    }
    .value()
}

fn changes(report: &Report) -> Value {
    let row = |one: &Attempt| {
        let what = format!("{} by {}", one.change.name(), one.by);
        vec![
            cell(one.at.format("%Y-%m-%d %H:%M:%S").to_string()),
            cell(what),
            bad_if(one.error.is_some(), one.result()),
        ]
    };
    Table {
        id: "changes",
        title: "Reloads and upgrades",
        columns: vec![short("Time"), words("Change"), words("Result")],
        rows: report.changes.recent().take(ROWS).map(row).collect(),
        empty: "None since the start of this process.",
        more: String::new(),
        layout: Layout::Column,
    }
    .value()
}
