//! The machines of a fleet as this one sees them.

use std::fmt;

use super::families::{Families, Family, Sample, labels};
use crate::report::{Packets, Report};

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
    let packets = Family {
        name: "caddy_fleet_packets",
        help: "QUIC packets that came to another machine than that of their connection.",
    };
    let sample = |one: &Packets| Sample::new(labels([("what", one.what)]), one.count);
    families.counter(packets, fleet.packets.iter().map(sample))
}
