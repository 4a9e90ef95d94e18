//! The machines that this one is a service with.

use serde_json::Value;

use super::cells::{Layout, ROWS, Table, cell, left_out, numbers, short, words};
use crate::report::words::{count, date, millis, span, time};
use crate::report::{Fleet, Machine, Report};

/// Nothing without `-fleet`.
pub(super) fn machines(report: &Report) -> Option<Value> {
    let fleet = report.fleet.as_ref()?;
    let row = |one: &Machine| {
        let this = if fleet.number == Some(one.number) { " (this one)" } else { "" };
        vec![
            cell(format!("{} {}{this}", one.number, one.host)),
            cell(&*one.version),
            cell(date(one.since)),
            cell(span(one.silent)),
            cell(millis(one.lag)),
        ]
    };
    let table = Table {
        id: "machines",
        title: "Machines",
        columns: vec![
            words("Machine"),
            short("Version"),
            short("Since"),
            numbers("Not seen for"),
            numbers("Lag"),
        ],
        rows: fleet.machines.iter().take(ROWS).map(row).collect(),
        empty: "The engine has not been reached yet.",
        more: left_out(fleet.machines.len(), |rest| {
            format!("And {}.", count(rest, "more machine"))
        }),
        layout: Layout::Column,
    };
    Some(table.value())
}

/// An engine that does not answer.
pub(super) fn problem(fleet: &Fleet) -> Option<String> {
    let since = || format!("No answer from {} since {}", fleet.engine, time(fleet.since));
    (!fleet.is_connected).then(since)
}
