//! Counts what QUIC connections send and lose while they live: a task of each worker looks at its
//! connections at intervals, so that neither a packet nor a request pays for it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::sleep;

use crate::http::request::unmapped;
use crate::metrics::{Path, Quic};
use crate::server::connection::Connection;

/// docs/metrics.md names it.
const INTERVAL: Duration = Duration::from_secs(5);
/// Connections that are looked at before others of the worker's tasks have their turn.
const AT_ONCE: usize = 64;

thread_local! {
    static OPEN: Rc<Open> = Rc::default();
}

/// The connections of this worker.
#[derive(Default)]
struct Open {
    known: RefCell<BTreeMap<u64, Rc<Counted>>>,
    next: Cell<u64>,
    is_watched: Cell<bool>,
}

/// A connection, and what of it is counted.
struct Counted {
    quic: quinn::Connection,
    /// The client's address at the beginning.
    remote: SocketAddr,
    sums: &'static Quic,
    until_now: Cell<Path>,
}

/// Has the connection counted until this is dropped.
pub(super) struct Watched {
    number: u64,
    counted: Rc<Counted>,
    open: Rc<Open>,
}

pub(super) fn watch(connection: &Connection, quic: &quinn::Connection) -> Watched {
    let open = OPEN.with(Rc::clone);
    let number = open.next.replace(open.next.get() + 1);
    let (remote, sums) = (connection.remote, connection.worker.metrics.quic());
    let counted = Counted { quic: quic.clone(), remote, sums, until_now: Cell::default() };
    let counted = Rc::new(counted);
    open.known.borrow_mut().insert(number, counted.clone());
    if !open.is_watched.replace(true) {
        tokio::task::spawn_local(look(open.clone()));
    }
    Watched { number, counted, open }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.open.known.borrow_mut().remove(&self.number);
        self.counted.count();
    }
}

/// Ends when there is no connection left.
async fn look(open: Rc<Open>) {
    loop {
        sleep(INTERVAL).await;
        let mut from = 0;
        while let Some(last) = open.count(from) {
            from = last + 1;
            yield_now().await;
        }
        if open.known.borrow().is_empty() {
            return open.is_watched.set(false);
        }
    }
}

impl Open {
    /// Counts some connections with these numbers and above; returns the last number.
    fn count(&self, from: u64) -> Option<u64> {
        let known = self.known.borrow();
        let some = known.range(from..).take(AT_ONCE);
        some.inspect(|(_, one)| one.count()).last().map(|(number, _)| *number)
    }
}

impl Counted {
    fn count(&self) {
        let now = self.path();
        let before = self.until_now.replace(now);
        self.sums.count(&now.since(&before));
    }

    fn path(&self) -> Path {
        let stats = self.quic.stats();
        Path {
            migrated: unmapped(self.quic.remote_address()) != self.remote,
            datagrams_sent: stats.udp_tx.datagrams,
            datagrams_received: stats.udp_rx.datagrams,
            packets_sent: stats.path.sent_packets,
            packets_lost: stats.path.lost_packets,
            bytes_lost: stats.path.lost_bytes,
            congestion_events: stats.path.congestion_events,
            black_holes: stats.path.black_holes_detected,
            rtt: stats.path.rtt,
            window: stats.path.cwnd,
        }
    }
}
