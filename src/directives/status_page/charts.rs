//! The charts of the last minute: the requests of each second, and the response times.

use std::time::Duration;

use serde_json::{Value, json};

use super::shapes::{Decades, HEIGHT, bars, round_up, steps};
use crate::metrics::{Latencies, Protocol};
use crate::report::words::{millis, per_second};
use crate::report::{Report, Second};

/// Seconds, each with a bar.
const SECONDS: usize = 60;
/// Spans of response times, and the seconds of each.
const SPANS: usize = 12;
const SPAN: usize = SECONDS / SPANS;

/// The percentiles that are shown.
pub(super) const PERCENTILES: [Percentile; 3] = [
    Percentile { name: "p50", share: 0.5 },
    Percentile { name: "p95", share: 0.95 },
    Percentile { name: "p99", share: 0.99 },
];

pub(super) struct Percentile {
    pub(super) name: &'static str,
    pub(super) share: f64,
}

/// A row of the chart of requests.
struct Series {
    name: &'static str,
    what: &'static str,
    values: Vec<u64>,
    counted: u64,
}

impl Series {
    fn all(report: &Report) -> Vec<Self> {
        let minute = &report.minute;
        let values = |value: &dyn Fn(&Second) -> u64| minute.seconds.iter().map(value).collect();
        let mut all: Vec<Self> = Protocol::ALL
            .into_iter()
            .map(|protocol| Self {
                name: protocol.name(),
                what: "requests",
                values: values(&|second| second.of_protocol(protocol)),
                counted: minute.counted.of_protocol(protocol),
            })
            .collect();
        all.push(Self {
            name: "5xx",
            what: "errors",
            values: values(&|second| second.errors.server),
            counted: minute.counted.errors.server,
        });
        all
    }

    fn most(&self) -> u64 {
        self.values.iter().copied().max().unwrap_or_default()
    }
}

/// Without rows if there was no request.
fn empty(id: &str, title: &str) -> Value {
    json!({ "id": id, "title": title, "rows": [] })
}

pub(super) fn requests(report: &Report) -> Value {
    let (id, title) = ("requests", "Requests per second");
    if report.minute.counted.all() == 0 {
        return empty(id, title);
    }
    let all = Series::all(report);
    let most = round_up(all.iter().map(Series::most).max().unwrap_or_default() as f64);
    let rows = all.iter().map(|one| {
        let values: Vec<f64> = one.values.iter().map(|value| *value as f64).collect();
        let rate = per_second(report.minute.per_second(one.counted));
        let Series { name, what, .. } = one;
        let label = format!("{name}: {rate} {what} on average, {} at most in a second", one.most());
        let shape = if *what == "errors" { "bars bad" } else { "bars" };
        json!({
            "name": name, "value": rate, "label": label, "shape": shape,
            "path": bars(&values, SECONDS, most),
        })
    });
    let seconds = report.minute.seconds.len();
    let values = (0..seconds).rev().map(|at| {
        let ago = std::iter::once((seconds - at).to_string());
        ago.chain(all.iter().map(|one| one.values[at].to_string())).collect::<Vec<_>>()
    });
    json!({
        "id": id, "title": title, "rows": rows.collect::<Vec<_>>(),
        "slots": SECONDS, "height": HEIGHT,
        "scale": format!("0 to {most}"),
        "columns": all.iter().map(|one| one.name).collect::<Vec<_>>(),
        "values": values.collect::<Vec<_>>(),
    })
}

pub(super) fn times(report: &Report) -> Value {
    let (id, title) = ("times", "Response time");
    let spans: Vec<Latencies> = report.minute.spans.iter().map(|span| span.all()).collect();
    let minute = report.minute.latency.all();
    let of = |times: &Latencies| PERCENTILES.map(|one| times.quantile(one.share));
    let each: Vec<_> = spans.iter().map(of).collect();
    let seconds = |time: &Option<Duration>| time.map(|time| time.as_secs_f64());
    let whole = of(&minute);
    let known = each.iter().chain([&whole]).flatten().filter_map(seconds);
    let Some(scale) = Decades::of(known) else {
        return empty(id, title);
    };
    let text = |time: Option<Duration>| time.map_or("none".to_owned(), millis);
    let rows = PERCENTILES.iter().enumerate().map(|(at, percentile)| {
        let values: Vec<_> = each.iter().map(|span| seconds(&span[at])).collect();
        let value = text(whole[at]);
        json!({
            "name": percentile.name, "shape": "steps",
            "label": format!("{}: {value} in the last minute", percentile.name),
            "value": value, "path": steps(&values, SPANS, &scale),
        })
    });
    let values = each.iter().rev().enumerate().map(|(at, span)| {
        let ago = format!("{} to {}", at * SPAN, (at + 1) * SPAN);
        std::iter::once(ago).chain(span.map(text)).collect::<Vec<_>>()
    });
    json!({
        "id": id, "title": title, "rows": rows.collect::<Vec<_>>(),
        "slots": SPANS, "height": HEIGHT, "grid": scale.grid(SPANS),
        "scale": format!("{} to {}, log", decade(scale.from), decade(scale.to)),
        "columns": PERCENTILES.map(|one| one.name),
        "values": values.collect::<Vec<_>>(),
    })
}

/// A power of ten of a second: `10 ms`.
fn decade(power: i32) -> String {
    let (unit, of_unit) = match power {
        0.. => ("s", 0),
        -3..0 => ("ms", -3),
        _ => ("µs", -6),
    };
    format!("{:.0} {unit}", 10_f64.powi(power - of_unit))
}
