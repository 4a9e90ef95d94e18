//! Counters of the service. Each worker counts in memory of its own, with plain loads and stores; a
//! reader sums the counters of all workers. Independent of the server and the configuration.
//!
//! Requests are counted by site, protocol and family of addresses ([`Traffic`]). What there is one
//! counter of by name, such as sites and upstreams, is a [`Table`] whose length the configuration
//! sets, never a client.

mod connections;
mod counter;
mod files;
mod handshakes;
mod histogram;
mod names;
mod powers;
mod protocol;
mod quic;
pub mod status;
mod table;
mod totals;
mod traffic;
mod upstreams;

use std::cell::Cell;
use std::sync::Arc;

pub use connections::Connections;
pub use counter::Counter;
pub use files::{FileCache, FileCacheTotals};
pub use handshakes::{Handshake, HandshakeFailure, HandshakeTotals, Handshakes, Transport};
pub use histogram::{Histogram, Latencies, Measured};
pub use powers::Distribution;
pub use protocol::Protocol;
pub use quic::{Path, Quic, QuicTotals};
pub use table::Table;
pub use totals::{ClassTotals, ProtocolTotals, SiteTotals, Totals};
pub use traffic::{Family, SiteTraffic, Traffic};
pub use upstreams::{UpstreamFailure, UpstreamNumber, UpstreamTotals, UpstreamTraffic};

static SITES: names::Names = names::Names::new();
/// For requests that no site was found for.
pub const NO_SITE: SiteNumber = SiteNumber(0);

/// What the requests of a site are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteNumber(u32);

impl SiteNumber {
    /// Of the site with this name. 0 is that of no site.
    pub fn of(name: &Arc<str>) -> Self {
        Self(SITES.number(name) + 1)
    }
}

/// The counters of one worker, which writes them alone. They share no cache line with those of
/// another one; processors fetch lines in pairs of 64 bytes.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerMetrics {
    latency: [Histogram; Protocol::COUNT],
    connections: [Connections; Protocol::COUNT],
    handshakes: [Handshakes; Transport::ALL.len()],
    quic: Quic,
    files: FileCache,
    sites: Table<SiteTraffic>,
    upstreams: Table<UpstreamTraffic>,
}

thread_local! {
    static CURRENT: Cell<Option<&'static WorkerMetrics>> = const { Cell::new(None) };
}

impl WorkerMetrics {
    /// The counters of a worker that begins. They stay, as they are read as long as the process
    /// lives.
    pub fn begin() -> &'static Self {
        Box::leak(Box::default())
    }

    /// What this thread counts in from now on.
    pub fn enter(&'static self) {
        CURRENT.set(Some(self));
    }

    /// Those of this thread. A thread that is no worker has some that nobody reads.
    pub fn current() -> &'static Self {
        CURRENT.get().unwrap_or_else(|| {
            let own = Self::begin();
            own.enter();
            own
        })
    }

    pub fn traffic(&self, site: SiteNumber, protocol: Protocol, family: Family) -> &Traffic {
        self.sites.at(site.0).of(protocol, family)
    }

    /// From the head of a request to that of its response.
    pub fn latency(&self, protocol: Protocol) -> &Histogram {
        &self.latency[protocol as usize]
    }

    pub fn connections(&self, protocol: Protocol) -> &Connections {
        &self.connections[protocol as usize]
    }

    pub fn handshakes(&self, transport: Transport) -> &Handshakes {
        &self.handshakes[transport as usize]
    }

    pub fn quic(&self) -> &Quic {
        &self.quic
    }

    pub fn files(&self) -> &FileCache {
        &self.files
    }

    pub fn upstream(&self, upstream: UpstreamNumber) -> &UpstreamTraffic {
        self.upstreams.at(upstream.0)
    }
}

/// The counters of all workers, to be read.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<[&'static WorkerMetrics]>);

impl Metrics {
    pub fn totals(&self) -> Totals {
        let sites: Vec<u32> = sites().into_iter().map(|(_, number)| number.0).collect();
        let mut totals = Totals::default();
        self.0.iter().for_each(|worker| totals.add(worker, &sites));
        totals
    }

    /// The requests of each site by protocol and family, where there were any.
    pub fn sites(&self) -> Vec<SiteTotals> {
        let mut all = Vec::new();
        for (name, number) in sites() {
            for protocol in Protocol::ALL {
                for family in Family::ALL {
                    let of = |worker: &&'static WorkerMetrics| {
                        worker.sites.get(number.0)?.get(protocol, family)
                    };
                    let mut workers = self.0.iter().filter_map(of).peekable();
                    if workers.peek().is_some() {
                        let mut sum = SiteTotals::new(name.clone(), protocol, family);
                        workers.for_each(|traffic| sum.add(traffic));
                        all.push(sum);
                    }
                }
            }
        }
        all
    }

    pub fn handshakes(&self, transport: Transport) -> HandshakeTotals {
        let mut sum = HandshakeTotals::default();
        self.0.iter().for_each(|worker| sum.add(worker.handshakes(transport)));
        sum
    }

    pub fn quic(&self) -> QuicTotals {
        let mut sum = QuicTotals::default();
        self.0.iter().for_each(|worker| sum.add(&worker.quic));
        sum
    }

    pub fn files(&self) -> FileCacheTotals {
        let mut sum = FileCacheTotals::default();
        self.0.iter().for_each(|worker| sum.add(&worker.files));
        sum
    }

    /// The requests to each upstream that was ever in the configuration, by name.
    pub fn upstreams(&self) -> Vec<UpstreamTotals> {
        let of = |(name, number)| {
            let mut sum = UpstreamTotals::new(name);
            let workers = self.0.iter().filter_map(|worker| worker.upstreams.get(number));
            workers.for_each(|traffic| sum.add(traffic));
            sum
        };
        upstreams::UPSTREAMS.all().into_iter().map(of).collect()
    }
}

/// The numbers of all sites, and of what belongs to none.
fn sites() -> Vec<(Option<Arc<str>>, SiteNumber)> {
    let named = SITES.all().into_iter();
    let named = named.map(|(name, number)| (Some(name), SiteNumber(number + 1)));
    std::iter::once((None, NO_SITE)).chain(named).collect()
}

impl FromIterator<&'static WorkerMetrics> for Metrics {
    fn from_iter<I: IntoIterator<Item = &'static WorkerMetrics>>(workers: I) -> Self {
        Self(workers.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn workers_count_alone_and_are_summed() {
        let workers: Vec<_> = (0..3).map(|_| WorkerMetrics::begin()).collect();
        let metrics: Metrics = workers.iter().copied().collect();
        let name: Arc<str> = "workers-count.example".into();
        let site = SiteNumber::of(&name);
        std::thread::scope(|scope| {
            for worker in &workers {
                scope.spawn(|| {
                    for n in 0..10_000 {
                        let traffic = worker.traffic(site, Protocol::Http3, Family::V6);
                        let (status, after) = (200 + 100 * (n % 4), Duration::from_millis(2));
                        traffic.begin();
                        traffic.answer(status, after.into());
                        worker.latency(Protocol::Http3).record(after.into());
                        traffic.sent(10);
                        traffic.finish(status, after.into(), 10);
                        traffic.end();
                    }
                    worker.connections(Protocol::Http2).open();
                    worker.traffic(NO_SITE, Protocol::Http1, Family::V4).leave(499);
                });
            }
        });
        let totals = metrics.totals();
        let http3 = totals.of(Protocol::Http3);
        assert_eq!(http3.classes, [0, 7500, 7500, 7500, 7500]);
        assert_eq!((http3.requests(), http3.in_flight, http3.bytes), (30_000, 0, 300_000));
        assert_eq!(http3.latency.count(), 30_000);
        assert_eq!((totals.of(Protocol::Http2).open, totals.requests()), (3, 30_003));
        let sites = metrics.sites();
        let of: Vec<_> = sites.iter().map(|one| (one.site.clone(), one.requests())).collect();
        assert_eq!(of, [(None, 3), (Some(name), 30_000)]);
        let (one, class) = (&sites[1], sites[1].classes[1].as_ref().unwrap());
        assert_eq!((one.protocol, one.family), (Protocol::Http3, Family::V6));
        assert_eq!((one.duration.count(), class.size.sum, class.latency.count()), {
            (30_000, 75_000, 7500)
        });
        assert!(one.classes[0].is_none());
    }

    #[test]
    fn a_thread_counts_in_its_own() {
        let worker = WorkerMetrics::begin();
        let metrics: Metrics = [worker].into_iter().collect();
        let upstream = UpstreamNumber::of(&"http://a-thread.example".into());
        std::thread::spawn(move || {
            worker.enter();
            WorkerMetrics::current().files().hit();
            let traffic = WorkerMetrics::current().upstream(upstream);
            traffic.begin(true);
            traffic.fail(UpstreamFailure::Closed);
            let path = Path { packets_lost: 3, datagrams_received: 1, ..Path::default() };
            WorkerMetrics::current().quic().count(&path);
        })
        .join()
        .unwrap();
        WorkerMetrics::current().files().hit();
        assert_eq!(metrics.files(), FileCacheTotals { hits: 1, ..<_>::default() });
        let upstreams = metrics.upstreams();
        let is_it = |one: &&UpstreamTotals| &*one.name == "http://a-thread.example";
        let one = upstreams.iter().find(is_it).unwrap();
        let failed = (one.failed(UpstreamFailure::Closed), one.failed(UpstreamFailure::Connect));
        assert_eq!((one.requests, one.retries, one.in_flight, failed), (1, 1, 1, (1, 0)));
        assert_eq!((metrics.quic().packets_lost, metrics.quic().rtt.count()), (3, 1));
    }

    #[test]
    fn no_two_workers_share_a_cache_line() {
        for worker in (0..4).map(|_| WorkerMetrics::begin()) {
            assert_eq!(std::ptr::from_ref(worker).addr() % 128, 0);
            let traffic = worker.traffic(NO_SITE, Protocol::Http1, Family::V4);
            assert_eq!(std::ptr::from_ref(traffic).addr() % 128, 0);
        }
        assert_eq!((size_of::<WorkerMetrics>() % 128, size_of::<Traffic>() % 128), (0, 0));
    }
}
