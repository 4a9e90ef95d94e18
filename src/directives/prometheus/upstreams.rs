//! Upstreams. Servers that DNS names are summed under the name of their service, so that no answer
//! of DNS adds a series; those of configurations before have no server any more, and are left out.

use std::fmt;

use super::families::{Families, Family, Sample, labels};
use crate::metrics::{UpstreamFailure, UpstreamTotals};
use crate::report::{Report, UpstreamService};

pub(super) fn write(families: &mut Families<'_>, report: &Report) -> fmt::Result {
    let all = report.services();
    states(families, &all)?;
    let traffic: Vec<_> = all.iter().map(|one| &one.traffic).collect();
    requests(families, &traffic)
}

fn states(families: &mut Families<'_>, all: &[UpstreamService]) -> fmt::Result {
    let family = Family { name: "caddy_upstream_servers", help: "Servers, by their state." };
    let states = all.iter().flat_map(|one| {
        let states = [("up", one.up), ("down", one.down)];
        states.map(|(state, count)| {
            let pairs = [("upstream", &*one.traffic.name), ("state", state)];
            Sample::new(labels(pairs), count as f64)
        })
    });
    families.gauge(family, states)?;
    let family = Family {
        name: "caddy_upstream_ejections",
        help: "How often failures or a health check have kept requests away.",
    };
    let of = |one: &UpstreamService| labels([("upstream", &one.traffic.name)]);
    families.counter(family, all.iter().map(|one| Sample::new(of(one), one.ejections)))?;
    let family = Family {
        name: "caddy_upstream_queued_requests",
        help: "Requests that wait for a place because of max_conns.",
    };
    families.gauge(family, all.iter().map(|one| Sample::new(of(one), one.queued as f64)))
}

/// Reads one of the counters.
type Count = fn(&UpstreamTotals) -> u64;

fn requests(families: &mut Families<'_>, traffic: &[&UpstreamTotals]) -> fmt::Result {
    let of = |one: &UpstreamTotals| labels([("upstream", &one.name)]);
    let counters: [(_, _, Count); 4] = [
        ("caddy_upstream_requests", "Requests sent, each try of a retry too.", |one| one.requests),
        ("caddy_upstream_retries", "Requests sent after another try had failed.", |one| {
            one.retries
        }),
        ("caddy_upstream_connections_opened", "Connections opened.", |one| one.connected),
        (
            "caddy_upstream_connections_reused",
            "Requests sent over a connection that was open.",
            |one| one.reused,
        ),
    ];
    for (name, help, count) in counters {
        let samples = traffic.iter().map(|one| Sample::new(of(one), count(one)));
        families.counter(Family { name, help }, samples)?;
    }
    let family = Family {
        name: "caddy_upstream_requests_in_flight",
        help: "Requests whose response has not ended.",
    };
    families.gauge(family, traffic.iter().map(|one| Sample::new(of(one), one.in_flight as f64)))?;
    let family = Family { name: "caddy_upstream_failures", help: "Tries that failed, and why." };
    let failures = traffic.iter().flat_map(|one| {
        UpstreamFailure::ALL.into_iter().map(|cause| {
            let pairs = [("upstream", &*one.name), ("cause", cause.label())];
            Sample::new(labels(pairs), one.failed(cause))
        })
    });
    families.counter(family, failures)
}
