//! The status as one line: the most important figures, and what is wrong.

use crate::metrics::Protocol;
use crate::report::Report;
use crate::report::words::{count, named, when_ended};

pub(super) fn of(report: &Report) -> String {
    let sites = count(report.configuration.sites as u64, "site");
    let connections = count(report.totals.sum(|one| one.open), "connection");
    let mut line = format!("serving {sites}, {:.1} requests/s", report.last_minute());
    if let Some(percent) = report.percent(Protocol::Http3) {
        line += &format!(" ({percent}% HTTP/3)");
    }
    line += &format!(", {connections}");
    let down: Vec<&str> = report.down().map(|upstream| &*upstream.name).collect();
    if !down.is_empty() {
        line += &format!("; {} down: {}", count(down.len() as u64, "upstream"), named(&down));
    }
    if let Some((one, until)) = report.next() {
        line += &format!("; next certificate {}: {}", when_ended(report, until), one.name());
    }
    if let Some((name, failure)) = report.failed().first() {
        line += &format!("; no new certificate for {name}: {}", failure.error);
    }
    // Last, as init scripts take what follows for the reason.
    let tried = &report.changes;
    let tried = [("reload", &tried.last_reload), ("upgrade", &tried.last_failed_upgrade)];
    let failed = tried.iter().filter_map(|(what, attempt)| {
        let attempt = attempt.as_ref()?;
        Some((attempt.at, what, attempt.error.as_ref()?))
    });
    if let Some((at, what, why)) = failed.max_by_key(|(at, ..)| *at) {
        line += &format!("; at {} the {what} failed: {why}", at.format("%H:%M:%S"));
    }
    // systemd takes a line.
    line.replace(char::is_control, " ")
}
