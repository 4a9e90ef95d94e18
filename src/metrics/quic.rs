//! The counters of QUIC endpoints and of the paths of their connections, as their worker writes
//! them. What a connection knows of its path is added when it ends.

use std::time::Duration;

use super::counter::Counter;
use super::powers::{Distribution, Powers};

/// Of all endpoints of a worker.
#[derive(Debug, Default)]
pub struct Quic {
    retries: Counter,
    refused: Counter,
    migrated: Counter,
    datagrams_sent: Counter,
    datagrams_received: Counter,
    packets_sent: Counter,
    packets_lost: Counter,
    bytes_lost: Counter,
    congestion_events: Counter,
    black_holes: Counter,
    rtt: Powers,
    window: Powers,
}

/// The path of a connection at its end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path {
    /// The client's address has changed since the handshake.
    pub migrated: bool,
    pub datagrams_sent: u64,
    pub datagrams_received: u64,
    pub packets_sent: u64,
    pub packets_lost: u64,
    /// In lost packets; what they held was sent again.
    pub bytes_lost: u64,
    pub congestion_events: u64,
    /// How often the path had stopped passing packets of the size that it passed before.
    pub black_holes: u64,
    pub rtt: Duration,
    /// The congestion window in bytes.
    pub window: u64,
}

impl Quic {
    /// A client must prove its address first.
    pub fn retry(&self) {
        self.retries.add(1);
    }

    /// A client was turned away: too many handshakes, or no place.
    pub fn refuse(&self) {
        self.refused.add(1);
    }

    /// A connection has ended.
    pub fn close(&self, path: Path) {
        self.migrated.add(path.migrated.into());
        self.datagrams_sent.add(path.datagrams_sent);
        self.datagrams_received.add(path.datagrams_received);
        self.packets_sent.add(path.packets_sent);
        self.packets_lost.add(path.packets_lost);
        self.bytes_lost.add(path.bytes_lost);
        self.congestion_events.add(path.congestion_events);
        self.black_holes.add(path.black_holes);
        self.rtt.record_time(path.rtt.into());
        self.window.record(path.window);
    }
}

/// The sums of several of them.
#[derive(Debug, Clone, Default)]
pub struct QuicTotals {
    pub retries: u64,
    pub refused: u64,
    /// Connections that have ended at another address of the client than they began.
    pub migrated: u64,
    pub datagrams_sent: u64,
    pub datagrams_received: u64,
    pub packets_sent: u64,
    pub packets_lost: u64,
    pub bytes_lost: u64,
    pub congestion_events: u64,
    pub black_holes: u64,
    /// At the end of each connection, in microseconds.
    pub rtt: Distribution,
    /// At the end of each connection, in bytes.
    pub window: Distribution,
}

impl QuicTotals {
    pub(super) fn add(&mut self, more: &Quic) {
        for (sum, counted) in [
            (&mut self.retries, &more.retries),
            (&mut self.refused, &more.refused),
            (&mut self.migrated, &more.migrated),
            (&mut self.datagrams_sent, &more.datagrams_sent),
            (&mut self.datagrams_received, &more.datagrams_received),
            (&mut self.packets_sent, &more.packets_sent),
            (&mut self.packets_lost, &more.packets_lost),
            (&mut self.bytes_lost, &more.bytes_lost),
            (&mut self.congestion_events, &more.congestion_events),
            (&mut self.black_holes, &more.black_holes),
        ] {
            *sum += counted.get();
        }
        self.rtt.add(&more.rtt);
        self.window.add(&more.window);
    }
}
