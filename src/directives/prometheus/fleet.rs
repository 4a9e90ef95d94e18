//! The machines of a fleet as this one sees them.

use std::fmt;

use super::families::{Families, Family, Sample, labels};
use crate::limits::FLEET_SHOWN;
use crate::report::{Fleet, Machine, Packets, Report};

/// Nothing without `-fleet`.
pub(super) fn write(families: &mut Families<'_>, report: &Report) -> fmt::Result {
    let Some(fleet) = &report.fleet else { return Ok(()) };
    let members = Family {
        name: "caddy_fleet_members",
        help: "Machines of the fleet that are there, this one included.",
    };
    families.gauge(members, Sample::only(fleet.machines.len() as f64))?;
    let connected = Family {
        name: "caddy_fleet_connected",
        help: "1 while the engine of -fleet answers this machine.",
    };
    families.gauge(connected, Sample::only(fleet.is_connected.into()))?;
    let lag = Family {
        name: "caddy_fleet_lag_seconds",
        help: "How long the engine of -fleet took for its last answer.",
    };
    let known = fleet.lag.map(|lag| Sample::only(lag.as_secs_f64()));
    families.gauge(lag, known.into_iter().flatten())?;
    members_each(families, fleet)?;
    let packets = Family {
        name: "caddy_fleet_packets",
        help: "QUIC packets that came to another machine than that of their connection.",
    };
    let sample = |one: &Packets| Sample::new(labels([("what", one.what)]), one.count);
    families.counter(packets, fleet.packets.iter().map(sample))
}

/// What each machine says of itself. Large fleets would have series by the square of their size.
fn members_each(families: &mut Families<'_>, fleet: &Fleet) -> fmt::Result {
    let are_all_shown = fleet.machines.len() <= FLEET_SHOWN;
    let is_shown = |one: &&Machine| are_all_shown || Some(one.number) == fleet.number;
    let shown: Vec<_> = fleet.machines.iter().filter(is_shown).collect();
    let info = Family {
        name: "caddy_fleet_member_info",
        help: "1 for each machine of the fleet that is there, with the version of its caddy.",
    };
    let described = shown.iter().map(|one| {
        let number = one.number.to_string();
        let labels = [("number", &*number), ("host", &one.host), ("version", &one.version)];
        Sample::new(self::labels(labels), 1.0)
    });
    families.gauge(info, described)?;
    let sample = |one: &Machine, value: f64| {
        Sample::new(labels([("number", one.number.to_string().as_str())]), value)
    };
    let since = Family {
        name: "caddy_fleet_member_since_seconds",
        help: "The Unix time at which a machine of the fleet came, by the engine's clock.",
    };
    families.gauge(since, shown.iter().map(|one| sample(one, one.since as f64)))?;
    let lag = Family {
        name: "caddy_fleet_member_lag_seconds",
        help: "How long the engine took for its last answer to a machine of the fleet.",
    };
    families.gauge(lag, shown.iter().map(|one| sample(one, one.lag.as_secs_f64())))
}
