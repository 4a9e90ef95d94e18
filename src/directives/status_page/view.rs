//! The page of a report: its words and numbers, and the template that puts them into HTML. The
//! template escapes them.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::cells::{said, with};
use super::{charts, experiments, fleet, tables};
use crate::metrics::Protocol;
use crate::pages;
use crate::quic_report::PICTURE_STYLE;
use crate::report::Report;
use crate::report::words::{
    compact, configuration, count, date, millis, names, percent, program, time, when_ended,
};
use crate::text_template::{self, Set, Setting};

const NAME: &str = "page.html";
const STYLE: &str = include_str!("style.css");
/// Problems that are listed one by one.
const PROBLEMS: usize = 10;

/// The parsed template.
pub(super) struct Page(Set);

impl Page {
    pub(super) fn new() -> Result<Self, text_template::Error> {
        let mut set = Set::default();
        set.add(NAME, include_str!("page.html"))?;
        Ok(Self(set))
    }

    /// `host` is the name of this machine.
    pub(super) fn render(
        &self,
        report: &Report,
        host: &str,
    ) -> Result<String, text_template::Error> {
        let setting = Setting { bounds: pages::BOUNDS, is_html: true };
        setting.execute(&self.0, NAME, &view(report, host))
    }
}

/// The page's style, with that of the pictures of `quic_report`.
fn style() -> String {
    format!("{STYLE}{PICTURE_STYLE}")
}

/// Its source, for the page's Content-Security-Policy.
pub(super) fn style_source() -> String {
    let sum = digest(&SHA256, style().as_bytes());
    format!("'sha256-{}'", BASE64_STANDARD.encode(sum))
}

fn view(report: &Report, host: &str) -> text_template::Value {
    let problems = problems(report);
    let host = if host.is_empty() { "caddy" } else { host };
    let how_many = count(problems.len() as u64, "problem");
    let title = if problems.is_empty() { "caddy".to_owned() } else { how_many.clone() };
    let view = json!({
        "host": host,
        "title": format!("{title} · {host}"),
        "as_of": time(report.now),
        "program": program(report),
        "configuration": said(&configuration(report)),
        "title_of_problems": how_many,
        "problems": shortened(problems),
        "figures": figures(report),
        "charts": [charts::requests(report), charts::times(report)],
        "tables": tables::all(report),
    });
    let style = text_template::Value::own(style());
    with(view, [("style", style), ("quic_report", experiments::all(report))])
}

fn figures(report: &Report) -> Vec<Value> {
    let (minute, totals) = (&report.minute, &report.totals);
    let rate = format!("{:.1}", report.last_minute());
    let share = minute.share(Protocol::Http3).map_or("–".to_owned(), percent);
    let p95 = minute.latency.all().quantile(0.95);
    let p95 = p95.map_or("–".to_owned(), millis);
    let errors = minute.counted.errors.server;
    let figure = |name: &str, value: String, unit: &str| json!({ "name": name, "value": value, "unit": unit });
    vec![
        figure("Requests", rate, "/s"),
        figure("Over HTTP/3", share, ""),
        figure("95% answered within", p95, ""),
        json!({ "name": "Errors (5xx)", "value": compact(errors), "is_bad": errors > 0 }),
        figure("Connections now", compact(totals.sum(|one| one.open)), ""),
        figure("In flight now", compact(totals.sum(|one| one.in_flight)), ""),
    ]
}

/// What is wrong, the most urgent first.
fn problems(report: &Report) -> Vec<String> {
    let down = report.down().map(|one| {
        format!("Upstream {} of {}: {}", one.name, one.site, one.down.unwrap_or_default())
    });
    let failed = report.failed().into_iter().map(|(name, failure)| {
        let next = date(failure.next);
        format!("No new certificate for {name}: {}; next attempt {next}", failure.error)
    });
    let ending = report.ending().map(|one| {
        let until = one.until.unwrap_or_default();
        format!("Certificate of {}: {}", names(one), when_ended(report, until))
    });
    let changes = &report.changes;
    let changes = [&changes.last_reload, &changes.last_failed_upgrade].into_iter().flatten();
    let changes = changes
        .filter(|one| one.error.is_some())
        .map(|one| format!("The last {}, {}, {}", one.change.name(), time(one.at), one.result()));
    let lost =
        (report.lines_lost > 0).then(|| format!("{} lost", count(report.lines_lost, "log line")));
    let away = report.fleet.as_ref().and_then(fleet::problem);
    let all = down.chain(failed).chain(ending).chain(changes).chain(lost).chain(away);
    all.map(|one| said(&one)).collect()
}

/// The first ones, and how many more there are.
fn shortened(mut problems: Vec<String>) -> Vec<String> {
    let more = problems.len().saturating_sub(PROBLEMS) as u64;
    problems.truncate(PROBLEMS);
    problems.extend((more > 0).then(|| format!("And {}", count(more, "more problem"))));
    problems
}
