//! The requests of sites, by the names and labels of the plugin of Caddy 1.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::families::{Buckets, Families, Family, Labels, Sample, Scale};
use crate::metrics::{self, Protocol, SiteTotals, status};
use crate::report::{Report, Series};

/// The host of requests that no site was found for.
const NO_HOST: &str = "-";

pub(super) fn write(families: &mut Families<'_>, report: &Report) -> fmt::Result {
    let sites = by_labels(report);
    let family = Family { name: "caddy_http_request_count", help: "Requests." };
    families.counter(family, each(&sites, SiteTotals::requests))?;
    let family = Family {
        name: "caddy_http_request_duration_seconds",
        help: "Time from the head of a request to the end of its response.",
    };
    let scale = Scale::Seconds;
    let duration = |one: &SiteTotals| Buckets { distribution: one.duration.clone(), scale };
    families.histogram(family, each(&sites, duration))?;
    let family = Family {
        name: "caddy_http_response_latency_seconds",
        help: "Time from the head of a request to that of its response.",
    };
    let latencies = by_class(&sites).map(|(labels, class)| {
        Sample::new(labels, Buckets { distribution: class.latency.clone(), scale })
    });
    families.histogram(family, latencies)?;
    let family = Family {
        name: "caddy_http_response_size_bytes",
        help: "Content of responses that have ended.",
    };
    let sizes = by_class(&sites).map(|(labels, class)| {
        let buckets = Buckets { distribution: class.size.clone(), scale: Scale::Bytes };
        Sample::new(labels, buckets)
    });
    families.histogram(family, sizes)?;
    let family = Family {
        name: "caddy_http_response_status_count",
        help: "Responses by status code; 499: the client left before the response.",
    };
    families.counter(family, by_status(&sites))?;
    let family = Family {
        name: "caddy_http_requests_in_flight",
        help: "Requests whose response has not ended.",
    };
    families.gauge(family, each(&sites, |one| one.in_flight as f64))?;
    let family = Family {
        name: "caddy_http_response_content_bytes",
        help: "Content sent, also of responses that have not ended.",
    };
    families.counter(family, each(&sites, |one| one.bytes))
}

/// Sites by their labels. Those that have the same ones are summed.
fn by_labels(report: &Report) -> BTreeMap<Labels, SiteTotals> {
    let named = report.series.iter().map(|series| (&series.site, series));
    let named: HashMap<_, _> = named.collect();
    let mut sums = BTreeMap::new();
    for one in report.metrics.sites() {
        let series = match &one.site {
            None => None,
            // Only sites with `prometheus` are exported.
            Some(site) => match named.get(site) {
                Some(series) => Some(*series),
                None => continue,
            },
        };
        match sums.entry(labels_of(series, &one)) {
            std::collections::btree_map::Entry::Vacant(place) => drop(place.insert(one)),
            std::collections::btree_map::Entry::Occupied(mut sum) => sum.get_mut().merge(&one),
        }
    }
    sums
}

fn labels_of(series: Option<&Series>, one: &SiteTotals) -> Labels {
    let host = series.map_or(NO_HOST, |series| &series.host);
    let mut labels = vec![
        (Cow::Borrowed("host"), host.to_owned()),
        // As in the plugin.
        (
            Cow::Borrowed("family"),
            match one.family {
                metrics::Family::V4 => "1".to_owned(),
                metrics::Family::V6 => "2".to_owned(),
            },
        ),
        (
            Cow::Borrowed("proto"),
            match one.protocol {
                Protocol::Http1 => "1.1".to_owned(),
                Protocol::Http2 => "2.0".to_owned(),
                Protocol::Http3 => "3.0".to_owned(),
            },
        ),
    ];
    let more = series.iter().flat_map(|series| &series.labels);
    labels.extend(more.map(|(name, value)| (Cow::Owned(name.clone()), value.clone())));
    labels
}

fn each<T>(
    sites: &BTreeMap<Labels, SiteTotals>,
    value: impl Fn(&SiteTotals) -> T,
) -> impl Iterator<Item = Sample<T>> {
    sites.iter().map(move |(labels, one)| Sample::new(labels.clone(), value(one)))
}

fn by_class(
    sites: &BTreeMap<Labels, SiteTotals>,
) -> impl Iterator<Item = (Labels, &metrics::ClassTotals)> {
    sites.iter().flat_map(|(labels, one)| {
        let classes = one.classes.iter().enumerate();
        classes.filter_map(|(class, totals)| {
            Some((with_status(labels, status::class_label(class)), totals.as_ref()?))
        })
    })
}

fn by_status(sites: &BTreeMap<Labels, SiteTotals>) -> impl Iterator<Item = Sample<u64>> {
    sites.iter().flat_map(|(labels, one)| {
        let seen = one.statuses.iter().enumerate().filter(|(_, count)| **count > 0);
        seen.map(|(place, count)| Sample::new(with_status(labels, &status::label(place)), *count))
    })
}

fn with_status(labels: &Labels, status: &str) -> Labels {
    let mut labels = labels.clone();
    labels.push((Cow::Borrowed("status"), status.to_owned()));
    labels
}
