//! Limits what is sent to an address that is not validated to three times the bytes received from
//! it (RFC 9000 section 8.1). quinn checks only whether the limit is reached before it builds a
//! packet, and so exceeds it by up to one packet.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that may be sent per received byte.
const FACTOR: usize = 3;
/// Least bytes of a client's first datagram (RFC 9000 section 14.1).
const FIRST: usize = 1200;
/// Most addresses whose first packets are recorded until their handshakes begin.
const REMEMBERED: usize = 1024;

/// The unvalidated addresses of one socket's clients.
#[derive(Debug, Default)]
pub(super) struct Unproven {
    /// Number of handshakes: if it is zero, sending checks nothing.
    watched: AtomicUsize,
    budgets: Mutex<HashMap<SocketAddr, Budget>>,
}

#[derive(Debug, Default)]
struct Budget {
    received: usize,
    sent: usize,
    handshakes: usize,
}

/// A handshake in progress with a client whose address is not validated.
#[derive(Debug)]
pub(crate) struct Watch {
    of: Arc<Unproven>,
    client: SocketAddr,
}

impl Unproven {
    pub(super) fn watch(self: &Arc<Self>, client: SocketAddr) -> Watch {
        let mut budgets = self.budgets();
        let budget = budgets.entry(client).or_default();
        budget.received = budget.received.max(FIRST);
        budget.handshakes += 1;
        self.watched.fetch_add(1, Ordering::Relaxed);
        Watch { of: self.clone(), client }
    }

    /// Records the datagrams of one read, `stride` bytes each except the last one.
    pub(super) fn received(&self, client: SocketAddr, bytes: &[u8], stride: usize) {
        for datagram in bytes.chunks(stride.max(1)) {
            match datagram.first().map(|first| first & 0xf0) {
                // A long header, Initial: from a client that connects.
                Some(0xc0) => self.count(client, datagram.len()),
                // Handshake: only a client that has read our response can send it.
                Some(0xe0) if self.is_watching() => drop(self.budgets().remove(&client)),
                _ => {}
            }
        }
    }

    /// How many of `bytes` may be sent to a client, in whole datagrams of `size` bytes.
    pub(super) fn allow(&self, client: SocketAddr, bytes: usize, size: usize) -> usize {
        if !self.is_watching() {
            return bytes;
        }
        let mut budgets = self.budgets();
        let Some(budget) = budgets.get_mut(&client).filter(|budget| budget.handshakes > 0) else {
            return bytes;
        };
        let left = (FACTOR * budget.received).saturating_sub(budget.sent);
        let allowed = if bytes <= left { bytes } else { left / size.max(1) * size };
        budget.sent += allowed;
        allowed
    }

    fn is_watching(&self) -> bool {
        self.watched.load(Ordering::Relaxed) > 0
    }

    fn count(&self, client: SocketAddr, bytes: usize) {
        let mut budgets = self.budgets();
        if budgets.len() >= REMEMBERED {
            budgets.retain(|_, budget| budget.handshakes > 0);
        }
        budgets.entry(client).or_default().received += bytes;
    }

    fn budgets(&self) -> MutexGuard<'_, HashMap<SocketAddr, Budget>> {
        self.budgets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut budgets = self.of.budgets();
        let is_last = budgets.get_mut(&self.client).is_some_and(|budget| {
            budget.handshakes = budget.handshakes.saturating_sub(1);
            budget.handshakes == 0
        });
        if is_last {
            budgets.remove(&self.client);
        }
        self.of.watched.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INITIAL: u8 = 0xc3;
    const HANDSHAKE: u8 = 0xe1;

    fn client() -> SocketAddr {
        "192.0.2.1:1000".parse().unwrap()
    }

    #[test]
    fn three_times_what_came_and_no_more() {
        let unproven = Arc::new(Unproven::default());
        unproven.received(client(), &[INITIAL; 1200], 1200);
        let watch = unproven.watch(client());
        assert_eq!(unproven.allow(client(), 1200, 1200), 1200);
        assert_eq!(unproven.allow(client(), 739, 739), 739);
        // One of two datagrams is within the limit; then a small one, then none.
        assert_eq!(unproven.allow(client(), 2400, 1200), 1200);
        assert_eq!(unproven.allow(client(), 500, 500), 0);
        assert_eq!(unproven.allow(client(), 461, 461), 461);
        assert_eq!(unproven.allow(client(), 1, 1), 0);
        // Other clients are not affected.
        assert_eq!(unproven.allow("192.0.2.2:1".parse().unwrap(), 5000, 1200), 5000);
        // Two more datagrams in one read.
        unproven.received(client(), &[INITIAL; 2400], 1200);
        assert_eq!(unproven.allow(client(), 7200, 1200), 7200);
        assert_eq!(unproven.allow(client(), 1, 1), 0);
        drop(watch);
        assert_eq!(unproven.allow(client(), 1200, 1200), 1200);
        assert!(unproven.budgets().is_empty());
    }

    #[test]
    fn whoever_has_read_an_answer_has_proved_its_address() {
        let unproven = Arc::new(Unproven::default());
        let _watch = unproven.watch(client());
        assert_eq!(unproven.allow(client(), 5000, 1200), 3600);
        unproven.received(client(), &[HANDSHAKE; 60], 60);
        assert_eq!(unproven.allow(client(), 5000, 1200), 5000);
    }

    #[test]
    fn first_packets_that_lead_to_nothing_are_forgotten() {
        let unproven = Arc::new(Unproven::default());
        let at = |port: usize| SocketAddr::new([192, 0, 2, 1].into(), port as u16);
        let watch = unproven.watch(at(0));
        for port in 1..3 * REMEMBERED {
            unproven.received(at(port), &[INITIAL; 1200], 1200);
        }
        assert!(unproven.budgets().len() <= REMEMBERED);
        assert_eq!(unproven.allow(at(0), 3601, 3601), 0);
        drop(watch);
    }
}
