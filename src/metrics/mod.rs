//! Counters of the service. Each worker counts in memory of its own, with plain loads and stores; a
//! reader sums the counters of all workers. Independent of the server and the configuration.
//!
//! [`Requests`] is the unit: a worker has one for each protocol. Further divisions (by site, by
//! upstream) are lists in [`WorkerMetrics`] whose length the configuration sets, never a client.

mod counter;
mod histogram;
mod requests;
mod totals;
mod window;

use std::sync::Arc;

pub use counter::Counter;
pub use histogram::{Histogram, Latencies};
pub use requests::{Connections, Protocol, Requests};
pub use totals::{ProtocolTotals, Totals};
pub use window::Window;

/// The counters of one worker, which writes them alone. They share no cache line with those of
/// another one; processors fetch lines in pairs of 64 bytes.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerMetrics {
    requests: [Requests; Protocol::COUNT],
    connections: [Connections; Protocol::COUNT],
}

impl WorkerMetrics {
    pub fn requests(&self, protocol: Protocol) -> &Requests {
        &self.requests[protocol as usize]
    }

    pub fn connections(&self, protocol: Protocol) -> &Connections {
        &self.connections[protocol as usize]
    }
}

/// The counters of all workers, to be read.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<[Arc<WorkerMetrics>]>);

impl Metrics {
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.0.iter().for_each(|worker| totals.add(worker));
        totals
    }
}

impl FromIterator<Arc<WorkerMetrics>> for Metrics {
    fn from_iter<I: IntoIterator<Item = Arc<WorkerMetrics>>>(workers: I) -> Self {
        Self(workers.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn workers_count_alone_and_are_summed() {
        let workers: Vec<_> = (0..3).map(|_| Arc::new(WorkerMetrics::default())).collect();
        let metrics: Metrics = workers.iter().cloned().collect();
        std::thread::scope(|scope| {
            for worker in &workers {
                scope.spawn(|| {
                    for n in 0..10_000 {
                        let requests = worker.requests(Protocol::Http3);
                        requests.begin();
                        requests.answer(200 + 100 * (n % 4), Duration::from_millis(2));
                        requests.sent(10);
                        requests.end();
                    }
                    worker.connections(Protocol::Http2).open();
                });
            }
        });
        let totals = metrics.totals();
        let http3 = totals.of(Protocol::Http3);
        assert_eq!(http3.classes, [0, 7500, 7500, 7500, 7500]);
        assert_eq!((http3.requests(), http3.in_flight, http3.bytes), (30_000, 0, 300_000));
        assert_eq!((totals.of(Protocol::Http2).open, totals.requests()), (3, 30_000));
    }

    #[test]
    fn no_two_workers_share_a_cache_line() {
        let workers: Vec<_> = (0..4).map(|_| Arc::new(WorkerMetrics::default())).collect();
        for worker in &workers {
            // The reference count of the Arc lies in front, in a line of its own.
            assert_eq!(std::ptr::from_ref::<WorkerMetrics>(worker).addr() % 128, 0);
        }
        assert_eq!(size_of::<WorkerMetrics>() % 128, 0);
    }
}
