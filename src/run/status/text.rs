//! The status as text for people.

use super::{fleet, traffic};
use crate::metrics::{Latencies, Protocol};
use crate::report::words::{
    bytes, configuration, date, day, millis, named, names, percent, program, time, when_ended,
};
use crate::report::{Report, UpstreamState};
use crate::tls::CertificateState;

/// Upstreams, and machines of a fleet, that have a line of their own; `-json` has all.
const LISTED: usize = 20;

pub(super) fn of(report: &Report) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| text += &format!("{name:<16}{value}\n");
    row("program", program(report));
    row("configuration", configuration(report));
    row("last reload", last_reload(report));
    row("requests", requests(report));
    row("last minute", last_minute(report));
    row("protocols", protocols(report));
    row("responses", responses(report));
    row("response time", response_time(report));
    row("connections", connections(report));
    row("QUIC paths", traffic::quic(report));
    row("errors", traffic::errors(report));
    row("upstreams", upstreams(report));
    for one in report.services().iter().take(LISTED) {
        row("upstream", traffic::upstream(one));
    }
    row("files", traffic::files(report));
    row("certificates", certificates(report));
    for one in report.ending() {
        row("ending soon", ending(report, one));
    }
    for (name, failure) in report.failed() {
        let (at, next) = (date(failure.at), date(failure.next));
        row("renewal failed", format!("{name} on {at}: {}; next attempt {next}", failure.error));
    }
    for one in report.changes.recent() {
        row(
            "history",
            format!("{}: {} by {}: {}", time(one.at), one.change.name(), one.by, one.result()),
        );
    }
    if let Some(of) = &report.fleet {
        row("fleet", fleet::engine(of));
        for one in of.machines.iter().take(LISTED) {
            row("machine", fleet::machine(of, one));
        }
    }
    row("log lines lost", report.lines_lost.to_string());
    for one in traffic::quic_reports(report) {
        row("quic_report", one);
    }
    text
}

fn last_reload(report: &Report) -> String {
    let mut text = match &report.changes.last_reload {
        None => "none".to_owned(),
        Some(one) => {
            format!("{} by {}: {}", time(one.at), one.by, one.result())
        }
    };
    if let Some(one) = &report.changes.last_failed_upgrade
        && let Some(why) = &one.error
    {
        text += &format!("\nlast upgrade    {} by {}: failed: {why}", time(one.at), one.by);
    }
    text
}

fn requests(report: &Report) -> String {
    let totals = &report.totals;
    format!(
        "{:.1}/s in the last minute, {:.1}/s since the start, {} in all, {} in flight",
        report.last_minute(),
        report.since_start(),
        totals.requests(),
        totals.sum(|one| one.in_flight),
    )
}

fn protocols(report: &Report) -> String {
    let of = |protocol: Protocol| {
        let requests = report.totals.of(protocol).requests();
        let percent = report.percent(protocol).unwrap_or_default();
        format!("{} {percent}% ({requests})", protocol.name())
    };
    Protocol::ALL.map(of).join(", ")
}

fn responses(report: &Report) -> String {
    let classes = report.totals.classes();
    let classes = classes.iter().zip(1..).map(|(counted, class)| format!("{class}xx {counted}"));
    let bytes = bytes(report.totals.sum(|one| one.bytes));
    format!("{}, {bytes} of content", classes.collect::<Vec<_>>().join(", "))
}

fn last_minute(report: &Report) -> String {
    let minute = &report.minute;
    let of = |protocol: Protocol| {
        let requests = minute.counted.of_protocol(protocol);
        let share = minute.share(protocol).map_or("0%".to_owned(), percent);
        format!("{} {share} ({requests})", protocol.name())
    };
    let errors = &minute.counted.errors;
    format!(
        "{}; 4xx {}, 5xx {}; {}",
        Protocol::ALL.map(of).join(", "),
        errors.client,
        errors.server,
        within(&minute.latency.all()),
    )
}

fn response_time(report: &Report) -> String {
    within(&report.totals.latency())
}

fn within(times: &Latencies) -> String {
    let of =
        |share: f64| Some(format!("{} within {}", percent(share), millis(times.quantile(share)?)));
    let known: Option<Vec<_>> = [0.5, 0.95, 0.99].into_iter().map(of).collect();
    known.map_or("no request yet".to_owned(), |known| known.join(", "))
}

fn connections(report: &Report) -> String {
    let of =
        |protocol: Protocol| format!("{} {}", report.totals.of(protocol).open, protocol.name());
    format!("{} open: {}", report.totals.sum(|one| one.open), Protocol::ALL.map(of).join(", "))
}

fn upstreams(report: &Report) -> String {
    let said = |one: &UpstreamState| format!("{} ({})", one.name, one.down.unwrap_or_default());
    let down: Vec<String> = report.down().map(said).collect();
    let all = report.upstreams.len();
    if down.is_empty() {
        return if all == 0 { "none".to_owned() } else { format!("{all}, none down") };
    }
    format!("{all}, {} down: {}", down.len(), down.join(", "))
}

fn certificates(report: &Report) -> String {
    let all = report.certificates.len();
    let missing: Vec<&str> = report
        .certificates
        .iter()
        .filter(|one| one.until.is_none())
        .map(CertificateState::name)
        .collect();
    let mut text = match report.next() {
        Some((one, until)) => {
            let (name, when) = (names(one), when_ended(report, until));
            format!("{all}, next {when} ({}): {name}", day(until))
        }
        None if all == 0 => "none from files or a CA".to_owned(),
        None => all.to_string(),
    };
    if !missing.is_empty() {
        text += &format!("; not yet obtained: {}", named(&missing));
    }
    text
}

fn ending(report: &Report, one: &CertificateState) -> String {
    let until = one.until.unwrap_or_default();
    format!("{}: {} ({})", names(one), when_ended(report, until), day(until))
}
