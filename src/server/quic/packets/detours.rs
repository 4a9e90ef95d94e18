//! Clients of one socket whose packets come by another machine, and by which: what is sent to them
//! goes back the same way.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long after a client's last packet it is remembered.
const KEPT: Duration = Duration::from_secs(120);
/// Clients at a time; others are answered directly.
const CLIENTS: usize = 1 << 14;
/// A full table is searched for old clients once in this time.
const SEARCH: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Detours {
    /// If it is zero, nothing else is looked at.
    count: AtomicUsize,
    clients: Mutex<Clients>,
}

#[derive(Debug, Default)]
struct Clients {
    detours: HashMap<SocketAddr, Detour>,
    searched: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Detour {
    machine: u16,
    at: Instant,
}

impl Detours {
    /// A packet of the client came: by another machine, or directly (0).
    pub(super) fn came(&self, client: SocketAddr, machine: u16) {
        if machine == 0 && self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut clients = self.clients();
        if machine == 0 {
            clients.detours.remove(&client);
        } else {
            clients.note(client, Detour { machine, at: Instant::now() });
        }
        self.count.store(clients.detours.len(), Ordering::Relaxed);
    }

    /// The machine by which the client is reached, if it is not reached directly.
    pub(super) fn of(&self, client: SocketAddr) -> Option<u16> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.clients().detours.get(&client).map(|detour| detour.machine)
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clients {
    fn note(&mut self, client: SocketAddr, detour: Detour) {
        let now = detour.at;
        if self.detours.len() >= CLIENTS && !self.detours.contains_key(&client) {
            if self.searched.is_none_or(|at| now.duration_since(at) >= SEARCH) {
                self.searched = Some(now);
                self.detours.retain(|_, detour| now.duration_since(detour.at) < KEPT);
            }
            if self.detours.len() >= CLIENTS {
                return;
            }
        }
        self.detours.insert(client, detour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_of_the_last_packet_is_the_way_back() {
        let detours = Detours::default();
        let client = |port: usize| SocketAddr::from(([192, 0, 2, 1], port as u16));
        detours.came(client(1), 0);
        assert_eq!(detours.of(client(1)), None);
        detours.came(client(1), 7);
        detours.came(client(2), 8);
        assert_eq!((detours.of(client(1)), detours.of(client(2))), (Some(7), Some(8)));
        assert_eq!(detours.of(client(3)), None);
        detours.came(client(1), 9);
        assert_eq!(detours.of(client(1)), Some(9));
        detours.came(client(1), 0);
        assert_eq!(detours.of(client(1)), None);
        for port in 0..CLIENTS + 100 {
            detours.came(client(port), 1);
        }
        assert_eq!(detours.count.load(Ordering::Relaxed), CLIENTS);
        assert_eq!(detours.of(client(2)), Some(1), "one that is known stays");
        detours.came(client(2), 3);
        assert_eq!(detours.of(client(2)), Some(3));
        let mut clients = detours.clients();
        let searched = clients.searched.unwrap();
        clients.note(client(0), Detour { machine: 5, at: searched + SEARCH / 2 });
        assert_eq!(clients.searched, Some(searched));
        // Once all are old, there is room again.
        let at = searched + 2 * KEPT;
        clients.note(client(CLIENTS + 1000), Detour { machine: 5, at });
        assert_eq!((clients.detours.len(), clients.searched), (1, Some(at)));
    }
}
