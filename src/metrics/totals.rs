//! The sums of all workers' counters at one time.

use super::WorkerMetrics;
use super::histogram::Latencies;
use super::requests::{CLASSES, Protocol};

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
}

impl Totals {
    pub(super) fn add(&mut self, worker: &WorkerMetrics) {
        for (sum, protocol) in self.protocols.iter_mut().zip(Protocol::ALL) {
            let (requests, connections) = (worker.requests(protocol), worker.connections(protocol));
            for (class, counted) in sum.classes.iter_mut().zip(&requests.classes) {
                *class += counted.get();
            }
            sum.in_flight += requests.in_flight.get();
            sum.bytes += requests.bytes.get();
            sum.latency.add(&requests.latency);
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
