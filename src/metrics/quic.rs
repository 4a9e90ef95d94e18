//! The counters of QUIC endpoints and of the paths of their connections, as their worker writes
//! them. What a connection knows of its path is added at intervals, and when it ends.

use std::time::Duration;

use super::counter::Counter;
use super::histogram::{Histogram, Latencies};
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
    rtt: Histogram,
    window: Powers,
}

/// The path of a connection: counts since its beginning, or since the last look at it.
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

    /// What is new on the path of a connection. Its round trip and window are of now, if something
    /// has come since the last look.
    pub fn count(&self, path: &Path) {
        self.migrated.add(path.migrated.into());
        self.datagrams_sent.add(path.datagrams_sent);
        self.datagrams_received.add(path.datagrams_received);
        self.packets_sent.add(path.packets_sent);
        self.packets_lost.add(path.packets_lost);
        self.bytes_lost.add(path.bytes_lost);
        self.congestion_events.add(path.congestion_events);
        self.black_holes.add(path.black_holes);
        if path.datagrams_received > 0 {
            self.rtt.record(path.rtt.into());
            self.window.record(path.window);
        }
    }
}

impl Path {
    /// What is new, compared with an earlier look at the same connection.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let grown = |of: fn(&Self) -> u64| of(self).saturating_sub(of(earlier));
        Self {
            migrated: self.migrated && !earlier.migrated,
            datagrams_sent: grown(|path| path.datagrams_sent),
            datagrams_received: grown(|path| path.datagrams_received),
            packets_sent: grown(|path| path.packets_sent),
            packets_lost: grown(|path| path.packets_lost),
            bytes_lost: grown(|path| path.bytes_lost),
            congestion_events: grown(|path| path.congestion_events),
            black_holes: grown(|path| path.black_holes),
            rtt: self.rtt,
            window: self.window,
        }
    }
}

/// The sums of several of them.
#[derive(Debug, Clone, Default)]
pub struct QuicTotals {
    pub retries: u64,
    pub refused: u64,
    /// Connections whose client has another address than at the beginning.
    pub migrated: u64,
    pub datagrams_sent: u64,
    pub datagrams_received: u64,
    pub packets_sent: u64,
    pub packets_lost: u64,
    pub bytes_lost: u64,
    pub congestion_events: u64,
    pub black_holes: u64,
    /// Of each connection at each look that found something new.
    pub rtt: Latencies,
    /// The same, in bytes.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_counted_once_however_often_it_is_looked_at() {
        let (counted, mut read) = (Quic::default(), QuicTotals::default());
        let look = |packets_sent, received, migrated| Path {
            packets_sent,
            packets_lost: packets_sent / 10,
            datagrams_received: received,
            migrated,
            rtt: Duration::from_millis(40),
            window: 20_000,
            ..Path::default()
        };
        let mut before = Path::default();
        for now in [look(10, 5, false), look(100, 7, true), look(100, 7, true), look(250, 9, true)]
        {
            counted.count(&now.since(&before));
            before = now;
        }
        read.add(&counted);
        assert_eq!((read.packets_sent, read.packets_lost, read.migrated), (250, 25, 1));
        // Nothing came between the second and the third look.
        assert_eq!((read.rtt.count(), read.window.count()), (3, 3));
        let median = read.rtt.quantile(0.5).unwrap();
        assert!((40..=50).contains(&median.as_millis()), "{median:?}");
        assert_eq!(read.window.quantile(0.5), Some(32_768));
    }
}
