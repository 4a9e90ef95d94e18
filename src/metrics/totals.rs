//! The sums of all workers' counters at one time.

use std::sync::Arc;

use super::WorkerMetrics;
use super::histogram::Latencies;
use super::powers::Distribution;
use super::protocol::Protocol;
use super::status::{CLASSES, STATUSES, class_of};
use super::traffic::{Family, Traffic};

/// What all workers have counted since the start of the process.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    protocols: [ProtocolTotals; Protocol::COUNT],
}

/// What is counted of one protocol.
#[derive(Debug, Clone, Default)]
pub struct ProtocolTotals {
    /// Requests by the class of their status, 1xx first.
    pub classes: [u64; CLASSES],
    /// Requests whose response has not ended.
    pub in_flight: u64,
    /// Content of responses.
    pub bytes: u64,
    /// From the head of a request to that of its response.
    pub latency: Latencies,
    /// Connections that are open now.
    pub open: u64,
    /// Connections since the start.
    pub opened: u64,
}

impl ProtocolTotals {
    pub fn requests(&self) -> u64 {
        self.classes.iter().sum()
    }

    fn add(&mut self, traffic: &Traffic) {
        for (place, counted) in traffic.statuses.iter().enumerate() {
            self.classes[class_of(place)] += counted.get();
        }
        self.in_flight += traffic.in_flight.get();
        self.bytes += traffic.bytes.get();
    }
}

impl Totals {
    /// `sites`: the numbers of all.
    pub(super) fn add(&mut self, worker: &WorkerMetrics, sites: &[u32]) {
        for (sum, protocol) in self.protocols.iter_mut().zip(Protocol::ALL) {
            for site in sites.iter().filter_map(|number| worker.sites.get(*number)) {
                let kinds = Family::ALL.iter().filter_map(|family| site.get(protocol, *family));
                kinds.for_each(|traffic| sum.add(traffic));
            }
            let connections = worker.connections(protocol);
            sum.latency.add(worker.latency(protocol));
            sum.open += connections.open.get();
            sum.opened += connections.opened.get();
        }
    }

    pub fn of(&self, protocol: Protocol) -> &ProtocolTotals {
        &self.protocols[protocol as usize]
    }

    /// Of all protocols.
    pub fn requests(&self) -> u64 {
        self.protocols.iter().map(ProtocolTotals::requests).sum()
    }

    /// The share of a protocol in all requests, from 0.0 to 1.0; `None` without requests.
    pub fn share(&self, protocol: Protocol) -> Option<f64> {
        let all = self.requests();
        (all > 0).then(|| self.of(protocol).requests() as f64 / all as f64)
    }

    /// Requests of all protocols by the class of their status, 1xx first.
    pub fn classes(&self) -> [u64; CLASSES] {
        std::array::from_fn(|class| self.protocols.iter().map(|one| one.classes[class]).sum())
    }

    /// Of all protocols.
    pub fn latency(&self) -> Latencies {
        let mut all = Latencies::default();
        self.protocols.iter().for_each(|one| all.merge(&one.latency));
        all
    }

    /// The sum of `value` over all protocols.
    pub fn sum(&self, value: impl Fn(&ProtocolTotals) -> u64) -> u64 {
        self.protocols.iter().map(value).sum()
    }
}

/// The requests of one site over one protocol and one family of addresses, of all workers.
#[derive(Debug, Clone)]
pub struct SiteTotals {
    /// As in logs; `None` for requests that no site was found for.
    pub site: Option<Arc<str>>,
    pub protocol: Protocol,
    pub family: Family,
    pub in_flight: u64,
    /// Content of responses.
    pub bytes: u64,
    /// From the head of a request to the end of its response, in microseconds.
    pub duration: Distribution,
    /// By place: see [`super::status::label`].
    pub statuses: [u64; STATUSES],
    /// By the class of the status, 1xx first; `None` where there was none.
    pub classes: [Option<ClassTotals>; CLASSES],
}

/// The responses of one class of status codes.
#[derive(Debug, Clone, Default)]
pub struct ClassTotals {
    /// From the head of a request to that of its response, in microseconds.
    pub latency: Distribution,
    /// Content of responses that have ended, in bytes.
    pub size: Distribution,
}

impl SiteTotals {
    pub(super) fn new(site: Option<Arc<str>>, protocol: Protocol, family: Family) -> Self {
        Self {
            site,
            protocol,
            family,
            in_flight: 0,
            bytes: 0,
            duration: Distribution::default(),
            statuses: [0; STATUSES],
            classes: Default::default(),
        }
    }

    pub(super) fn add(&mut self, traffic: &Traffic) {
        self.in_flight += traffic.in_flight.get();
        self.bytes += traffic.bytes.get();
        self.duration.add(&traffic.duration);
        for (sum, counted) in self.statuses.iter_mut().zip(&traffic.statuses) {
            *sum += counted.get();
        }
        for (sum, class) in self.classes.iter_mut().zip(&traffic.classes) {
            if let Some(class) = class.get() {
                let sum = sum.get_or_insert_default();
                sum.latency.add(&class.latency);
                sum.size.add(&class.size);
            }
        }
    }

    pub fn requests(&self) -> u64 {
        self.statuses.iter().sum()
    }

    /// Adds those of another site that is shown as the same.
    pub fn merge(&mut self, more: &Self) {
        self.in_flight += more.in_flight;
        self.bytes += more.bytes;
        self.duration.merge(&more.duration);
        for (sum, counted) in self.statuses.iter_mut().zip(more.statuses) {
            *sum += counted;
        }
        for (sum, class) in self.classes.iter_mut().zip(&more.classes) {
            if let Some(class) = class {
                let sum = sum.get_or_insert_default();
                sum.latency.merge(&class.latency);
                sum.size.merge(&class.size);
            }
        }
    }
}
