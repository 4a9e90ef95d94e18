//! Clients of one socket whose packets come by another machine, and by which: what is sent to them
//! goes back the same way.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::recent::Recent;

/// How long after a client's last packet it is remembered.
const KEPT: Duration = Duration::from_secs(120);
/// Clients at a time; others are answered directly.
const CLIENTS: usize = 1 << 14;

#[derive(Debug)]
pub(super) struct ReturnPaths {
    /// If it is zero, nothing else is looked at.
    count: AtomicUsize,
    /// The number of the machine by which a client comes.
    clients: Mutex<Recent<SocketAddr, u16, Instant>>,
}

impl Default for ReturnPaths {
    fn default() -> Self {
        Self { count: AtomicUsize::new(0), clients: Mutex::new(Recent::new(CLIENTS, KEPT)) }
    }
}

impl ReturnPaths {
    /// A packet of the client came: by another machine, or directly (0).
    pub(super) fn came(&self, client: SocketAddr, machine: u16) {
        if machine == 0 && self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut clients = self.clients();
        if machine == 0 {
            clients.remove(&client);
        } else {
            // One that finds no room is answered directly.
            let _ = clients.insert(client, machine, Instant::now());
        }
        self.count.store(clients.len(), Ordering::Relaxed);
    }

    /// The machine by which the client is reached, if it is not reached directly.
    pub(super) fn of(&self, client: SocketAddr) -> Option<u16> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.clients().get(&client, Instant::now()).copied()
    }

    fn clients(&self) -> MutexGuard<'_, Recent<SocketAddr, u16, Instant>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_of_the_last_packet_is_the_way_back() {
        let return_paths = ReturnPaths::default();
        let client = |port: usize| SocketAddr::from(([192, 0, 2, 1], port as u16));
        return_paths.came(client(1), 0);
        assert_eq!(return_paths.of(client(1)), None);
        return_paths.came(client(1), 7);
        return_paths.came(client(2), 8);
        assert_eq!((return_paths.of(client(1)), return_paths.of(client(2))), (Some(7), Some(8)));
        assert_eq!(return_paths.of(client(3)), None);
        return_paths.came(client(1), 9);
        assert_eq!(return_paths.of(client(1)), Some(9));
        return_paths.came(client(1), 0);
        assert_eq!(return_paths.of(client(1)), None);
        for port in 0..CLIENTS + 100 {
            return_paths.came(client(port), 1);
        }
        assert_eq!(return_paths.count.load(Ordering::Relaxed), CLIENTS);
        assert_eq!(return_paths.of(client(2)), Some(1), "one that is known stays");
        return_paths.came(client(2), 3);
        assert_eq!(return_paths.of(client(2)), Some(3));
    }
}
