//! The rows of the status about the machines of a fleet.

use std::time::Duration;

use chrono::DateTime;

use crate::fleet::Stamp;
use crate::fleet::members::Member;
use crate::fleet::store::View;
use crate::report::words::{count, date, millis, time};
use crate::report::{Fleet, Machine, Packets};
use crate::server::{Counted, Machines};

/// As a report has it.
pub(super) fn of(view: View, others: Option<&Machines>) -> Fleet {
    let View { number, engine, is_connected, since, lag, now, members } = view;
    let machine = |one: Member| Machine {
        number: one.number,
        silent: Duration::from_micros(now.saturating_sub(one.seen)),
        host: one.said.host,
        version: one.said.version,
        since: second(one.said.since),
        lag: one.said.lag,
    };
    let machines = members.into_iter().map(machine).collect();
    let counted = |others: &Machines| {
        Counted::ALL.map(|what| Packets { what: what.name(), count: others.count(what) }).to_vec()
    };
    let (since, packets) = (DateTime::from(since), others.map(counted).unwrap_or_default());
    let way = others.and_then(Machines::address);
    Fleet { number, engine, is_connected, since, lag, way, machines, packets }
}

fn second(stamp: Stamp) -> i64 {
    i64::try_from(stamp / 1_000_000).unwrap_or(i64::MAX)
}

/// How many there are, and whether the engine answers.
pub(super) fn engine(fleet: &Fleet) -> String {
    let machines = count(fleet.machines.len() as u64, "machine");
    let state = if fleet.is_connected { "connected" } else { "AWAY" };
    let mut text = format!("{machines}; {}: {state} since {}", fleet.engine, time(fleet.since));
    if let Some(lag) = fleet.lag {
        text += &format!(", answers within {}", millis(lag));
    }
    text
}

/// One of them.
pub(super) fn machine(fleet: &Fleet, one: &Machine) -> String {
    let this = if fleet.number == Some(one.number) { " (this one)" } else { "" };
    format!(
        "{} {}{this}: caddy {} since {}, seen {} s ago, lag {}",
        one.number,
        one.host,
        one.version,
        date(one.since),
        one.silent.as_secs(),
        millis(one.lag),
    )
}
