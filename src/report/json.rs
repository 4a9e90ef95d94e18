//! The status as JSON. Times are in RFC 3339, spans in seconds, and what is not known is null.

use chrono::{DateTime, Local, SecondsFormat, TimeZone as _};
use serde_json::{Map, Value, json};

use super::configuration::Attempt;
use super::failures::Failure;
use super::fleet::{Fleet, Machine, Packets};
use super::history::Second;
use super::state::Report;
use super::upstreams::{UpstreamService, UpstreamState};
use crate::experiment::Experiment;
use crate::metrics::{Latencies, Protocol, UpstreamFailure};
use crate::tls::CertificateState;

pub fn of(report: &Report) -> String {
    let configuration = &report.configuration;
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": report.pid,
        "generation": report.generation,
        "started": rfc3339(report.now - report.uptime),
        "uptime_seconds": report.uptime.as_secs_f64(),
        "configuration": {
            "file": configuration.file,
            "sites": configuration.sites,
            "loaded": rfc3339(configuration.loaded),
            "last_reload": report.changes.last_reload.as_ref().map(attempt),
            "last_failed_upgrade": report.changes.last_failed_upgrade.as_ref().map(attempt),
        },
        "changes": report.changes.recent().map(change).collect::<Vec<_>>(),
        "requests": requests(report),
        "last_minute": last_minute(report),
        "connections": by_protocol(|one| report.totals.of(one).open.into()),
        "quic": quic(report),
        "errors": errors(report),
        "upstreams": upstreams(report),
        "files": files(report),
        "certificates": certificates(report),
        "log_lines_lost": report.lines_lost,
        "fleet": report.fleet.as_ref().map(fleet),
        "quic_report": report.experiments.iter().map(|one| quic_report(one)).collect::<Vec<_>>(),
    });
    format!("{status:#}\n")
}

fn attempt(attempt: &Attempt) -> Value {
    json!({ "at": rfc3339(attempt.at), "by": attempt.by, "error": attempt.error })
}

fn change(attempt: &Attempt) -> Value {
    json!({
        "what": attempt.change.name(), "at": rfc3339(attempt.at), "by": attempt.by, "error": attempt.error,
    })
}

/// A value for each protocol, by its name in ALPN.
fn by_protocol(value: impl Fn(Protocol) -> Value) -> Value {
    let values = Protocol::ALL.map(|protocol| (protocol.alpn().to_owned(), value(protocol)));
    Value::Object(Map::from_iter(values))
}

fn requests(report: &Report) -> Value {
    let totals = &report.totals;
    let classes = totals.classes();
    let classes = classes.iter().zip(1..).map(|(n, class)| (format!("{class}xx"), json!(n)));
    json!({
        "total": totals.requests(),
        "in_flight": totals.sum(|one| one.in_flight),
        "per_second": { "last_minute": report.last_minute(), "since_start": report.since_start() },
        "by_protocol": by_protocol(|one| totals.of(one).requests().into()),
        "share": by_protocol(|one| json!(totals.share(one))),
        "by_status": Value::Object(classes.collect()),
        "content_bytes": totals.sum(|one| one.bytes),
        "response_seconds": response_seconds(&totals.latency()),
    })
}

fn last_minute(report: &Report) -> Value {
    let minute = &report.minute;
    let seconds = |value: &dyn Fn(&Second) -> u64| -> Value {
        minute.seconds.iter().map(value).collect::<Vec<_>>().into()
    };
    let counted = &minute.counted;
    json!({
        "seconds": minute.length.as_secs_f64(),
        "by_protocol": by_protocol(|one| counted.of_protocol(one).into()),
        "share": by_protocol(|one| json!(minute.share(one))),
        "by_status": { "4xx": counted.errors.client, "5xx": counted.errors.server },
        "response_seconds": response_seconds(&minute.latency.all()),
        "each_second": by_protocol(|one| seconds(&|second| second.of_protocol(one))),
    })
}

fn response_seconds(latency: &Latencies) -> Value {
    let of = |share| latency.quantile(share).map(|time| time.as_secs_f64());
    json!({ "p50": of(0.5), "p95": of(0.95), "p99": of(0.99) })
}

fn upstreams(report: &Report) -> Value {
    let down =
        report.down().map(|one| json!({ "name": &*one.name, "site": &*one.site, "why": one.down }));
    let all = |one: &UpstreamState| json!({ "name": &*one.name, "site": &*one.site, "is_down": one.down.is_some() });
    json!({
        "total": report.upstreams.len(),
        "down": down.collect::<Vec<_>>(),
        "all": report.upstreams.iter().map(all).collect::<Vec<_>>(),
        "requests": report.services().iter().map(service).collect::<Vec<_>>(),
    })
}

fn service(one: &UpstreamService) -> Value {
    let traffic = &one.traffic;
    let failures = UpstreamFailure::ALL
        .map(|cause| (cause.label().to_owned(), Value::from(traffic.failed(cause))));
    json!({
        "name": &*traffic.name,
        "total": traffic.requests,
        "failures": Value::Object(Map::from_iter(failures)),
        "retries": traffic.retries,
        "ejections": one.ejections,
        "in_flight": traffic.in_flight,
        "waiting": one.queued,
        "connections_opened": traffic.connected,
        "connections_reused": traffic.reused,
    })
}

fn quic(report: &Report) -> Value {
    let quic = report.metrics.quic();
    let rtt = |share| quic.rtt.quantile(share).map(|time| time.as_secs_f64());
    json!({
        "rtt_seconds": { "p50": rtt(0.5), "p95": rtt(0.95), "p99": rtt(0.99) },
        "congestion_window_bytes": { "p50": quic.window.quantile(0.5) },
        "packets_sent": quic.packets_sent,
        "packets_lost": quic.packets_lost,
        "bytes_lost": quic.bytes_lost,
        "congestion_events": quic.congestion_events,
        "migrations": quic.migrated,
        "retries": quic.retries,
        "refused": quic.refused,
    })
}

fn errors(report: &Report) -> Value {
    let one = |one: Failure| json!({ "of": one.of, "cause": one.why, "count": one.count });
    Failure::all(report).into_iter().map(one).collect()
}

fn files(report: &Report) -> Value {
    let files = report.metrics.files();
    json!({ "hits": files.hits, "stale": files.stale, "misses": files.misses })
}

fn quic_report(one: &Experiment) -> Value {
    let latest = one.latest().map(|dated| dated.report);
    json!({
        "site": one.site(),
        "verdict": latest.as_ref().map(|report| report.verdict.name()),
        "answer": latest.as_ref().map(|report| report.answer()),
    })
}

fn fleet(fleet: &Fleet) -> Value {
    let machine = |one: &Machine| {
        json!({
            "number": one.number, "host": one.host, "version": one.version, "since": at(one.since),
            "silent_seconds": one.silent.as_secs_f64(), "lag_seconds": one.lag.as_secs_f64(),
        })
    };
    let packets = |one: &Packets| (one.what.to_owned(), one.count.into());
    json!({
        "number": fleet.number,
        "engine": fleet.engine,
        "is_connected": fleet.is_connected,
        "since": rfc3339(fleet.since),
        "lag_seconds": fleet.lag.map(|lag| lag.as_secs_f64()),
        "machines": fleet.machines.iter().map(machine).collect::<Vec<_>>(),
        "way": fleet.way.map(|way| way.to_string()),
        "packets": Value::Object(fleet.packets.iter().map(packets).collect()),
    })
}

fn certificates(report: &Report) -> Value {
    let one = |one: &CertificateState| {
        json!({
            "names": one.names,
            "issued": one.from.and_then(at),
            "ends": one.until.and_then(at),
            "days": one.until.map(|until| report.days_until(until)),
        })
    };
    let failed = report.failed().into_iter().map(|(name, failure)| {
        json!({
            "name": name, "at": at(failure.at), "error": failure.error, "next": at(failure.next),
        })
    });
    json!({
        "total": report.certificates.len(),
        "next": report.next().map(|(next, _)| one(next)),
        "all": report.certificates.iter().map(one).collect::<Vec<_>>(),
        "ending_within_14_days": report.ending().map(one).collect::<Vec<_>>(),
        "failed_renewals": failed.collect::<Vec<_>>(),
    })
}

fn rfc3339(at: DateTime<Local>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn at(unix: i64) -> Option<String> {
    Local.timestamp_opt(unix, 0).single().map(rfc3339)
}
