//! What `quic_report` has found on each site that has it, in words, numbers and a picture.

use chrono::{DateTime, Local};
use serde_json::{Value, json};

use super::cells::{cell, dash, numbers, said, with, words};
use crate::experiment::{Dated, Experiment};
use crate::quic_report::{ArmSummary, Quantile, Report as Findings};
use crate::report::Report;
use crate::report::words::{compact, count, millis, share, time};
use crate::text_template;

/// Sites that are shown; a picture has up to 10 KB.
const SITES: usize = 4;

/// The sites, and what stands below them.
pub(super) fn all(report: &Report) -> text_template::Value {
    let sites = report.experiments.iter().take(SITES).map(|one| site(one));
    let sites = text_template::Value::list(sites);
    let rest = report.experiments.len().saturating_sub(SITES) as u64;
    let more = if rest > 0 {
        format!("And {}: caddy -quic-report shows all.", count(rest, "more site"))
    } else {
        String::new()
    };
    with(json!({ "more": more }), [("sites", sites)])
}

fn site(one: &Experiment) -> text_template::Value {
    let Some(Dated { report, at }) = one.latest() else {
        let answer = "The first report is being made.";
        return json!({ "site": said(one.site()), "answer": answer }).into();
    };
    let columns =
        [words(""), numbers("Offered"), numbers("Not offered"), words("Time saved (95%)")];
    let machines = match report.machines {
        1 => String::new(),
        machines => format!(" Of {machines} machines."),
    };
    let site = json!({
        "site": said(one.site()),
        "answer": sentence(&report.answer()),
        "notes": report.notes.iter().map(|note| note.words()).collect::<Vec<_>>(),
        "columns": columns,
        "rows": rows(&report),
        "made": format!("Made {}.{machines}", time(DateTime::<Local>::from(at))),
    });
    let picture = text_template::Value::own(report.picture().unwrap_or_default());
    with(site, [("picture", picture)])
}

/// It stands alone.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn rows(report: &Findings) -> Vec<Vec<Value>> {
    let [offered, withheld] = &report.arms;
    let both = |name: &str, value: &dyn Fn(&ArmSummary) -> String| {
        vec![cell(name), cell(value(offered)), cell(value(withheld)), cell("")]
    };
    let of = |part: u64, all: u64| share(part, all).unwrap_or_else(dash);
    let mut rows = vec![
        both("Visits", &|arm| compact(arm.counts.visitors)),
        both("Over HTTP/3", &|arm| of(arm.counts.http3_requests, arm.counts.requests)),
        both("Failed requests", &|arm| of(arm.counts.failures, arm.counts.requests)),
        both("Lost packets", &|arm| of(arm.counts.lost, arm.counts.packets)),
    ];
    rows.extend(report.wait().into_iter().flat_map(|one| one.quantiles).flatten().map(wait));
    rows
}

/// A quantile of how long visitors wait.
fn wait(one: Quantile) -> Vec<Value> {
    let seconds = |time: f64| cell(millis(std::time::Duration::from_secs_f64(time)));
    let [low, high] = one.gain_between;
    let saved = format!("{:+.1}% ({low:+.1} to {high:+.1})", one.gain);
    let name = format!("Wait, {}", one.name());
    vec![cell(name), seconds(one.offered), seconds(one.withheld), cell(saved)]
}
