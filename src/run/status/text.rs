//! The status as text for people.

use chrono::{DateTime, Local, TimeZone as _};

use super::words::{bytes, count, named, span, when_ended};
use crate::metrics::Protocol;
use crate::report::{Report, UpstreamState};
use crate::tls::CertificateState;

pub(super) fn of(report: &Report) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| text += &format!("{name:<16}{value}\n");
    row("program", program(report));
    row("configuration", configuration(report));
    row("last reload", last_reload(report));
    row("requests", requests(report));
    row("protocols", protocols(report));
    row("responses", responses(report));
    row("response time", response_time(report));
    row("connections", connections(report));
    row("upstreams", upstreams(report));
    row("certificates", certificates(report));
    for one in report.ending() {
        row("ending soon", ending(report, one));
    }
    for (name, failure) in report.failed() {
        let (at, next) = (date(failure.at), date(failure.next));
        row("renewal failed", format!("{name} on {at}: {}; next attempt {next}", failure.error));
    }
    row("log lines lost", report.lines_lost.to_string());
    text
}

fn program(report: &Report) -> String {
    let (version, pid) = (env!("CARGO_PKG_VERSION"), report.pid);
    let started = report.now - report.uptime;
    let mut text =
        format!("caddy {version}, pid {pid}, up {} since {}", span(report.uptime), time(started));
    if report.generation > 1 {
        text += &format!(", after {}", count(u64::from(report.generation - 1), "upgrade"));
    }
    text
}

fn configuration(report: &Report) -> String {
    let now = &report.configuration;
    let sites = count(now.sites as u64, "site");
    format!("{} with {sites}, loaded {}", now.file, time(now.loaded))
}

fn last_reload(report: &Report) -> String {
    let mut text = match &report.changes.last_reload {
        None => "none".to_owned(),
        Some(one) => {
            let (at, by) = (time(one.at), &one.by);
            match &one.error {
                None => format!("{at} by {by}: done"),
                Some(why) => format!("{at} by {by}: failed: {why}"),
            }
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
        report.last_minute,
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

fn response_time(report: &Report) -> String {
    let latency = report.totals.latency();
    let of =
        |share: f64| Some(format!("{:.0}% within {:?}", share * 100.0, latency.quantile(share)?));
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

fn names(one: &CertificateState) -> String {
    let names: Vec<&str> = one.names.iter().map(String::as_str).collect();
    if names.is_empty() { one.name().to_owned() } else { named(&names) }
}

fn time(at: DateTime<Local>) -> String {
    at.format("%Y-%m-%d %H:%M:%S %z").to_string()
}

fn date(unix: i64) -> String {
    Local.timestamp_opt(unix, 0).single().map_or_else(String::new, time)
}

fn day(unix: i64) -> String {
    let at = Local.timestamp_opt(unix, 0).single();
    at.map_or_else(String::new, |at| at.format("%Y-%m-%d").to_string())
}
