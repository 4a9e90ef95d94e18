//! The initial congestion windows of a client's connections. Those that begin together, and are
//! open together, share the slowest link of their path (RFC 9040). So many begin with the full
//! window; each further one begins with what RFC 9002 section 7.2 recommends.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::congestion::INITIAL_WINDOW_PACKETS;
use super::packets::recent::Recent;
use crate::net::subscriber::Subscriber;

/// The initial window of RFC 9002, in packets.
const LEAST: u64 = 10;
/// Connections with the full window. With fewer, many connections take more round trips on a long
/// path that has room for all; with more, they lose more at a short queue.
const FULL: u64 = 14;
/// Connections that begin within this time of the first one are counted together.
const TOGETHER: Duration = Duration::from_secs(1);
/// Clients at a time; one more gets the least window.
const CLIENTS: usize = 4096;

/// The connections of each client of the process that began a short time ago.
pub(crate) struct FirstWindows(Mutex<Table>);

struct Table {
    begun: Recent<Subscriber, Begun, Instant>,
    last: u64,
}

#[derive(Debug, Default)]
struct Begun {
    /// That of these connections; later ones of the client have another.
    number: u64,
    open: u64,
}

/// The part of a connection, for as long as it is open.
pub(super) struct Share {
    of: Arc<FirstWindows>,
    client: Subscriber,
    number: u64,
    /// The initial window.
    pub(super) packets: u64,
}

impl FirstWindows {
    pub(crate) fn new() -> Arc<Self> {
        let begun = Recent::new(CLIENTS, TOGETHER);
        Arc::new(Self(Mutex::new(Table { begun, last: 0 })))
    }

    /// For a client's new connection.
    pub(super) fn share(self: &Arc<Self>, client: IpAddr, now: Instant) -> Share {
        let client = Subscriber::of(client);
        let mut table = self.table();
        let next = table.last + 1;
        let (number, packets) = match table.begun.get_or_default(client, now) {
            Some(begun) => {
                begun.number = if begun.number == 0 { next } else { begun.number };
                begun.open += 1;
                let packets = if begun.open > FULL { LEAST } else { INITIAL_WINDOW_PACKETS };
                (begun.number, packets)
            }
            None => (0, LEAST),
        };
        table.last = table.last.max(number);
        drop(table);
        Share { of: self.clone(), client, number, packets }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut table = self.of.table();
        let begun = table.begun.get_mut(&self.client, Instant::now());
        if let Some(begun) = begun.filter(|begun| begun.number == self.number) {
            begun.open = begun.open.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(shares: &[Share]) -> Vec<u64> {
        shares.iter().map(|share| share.packets).collect()
    }

    #[test]
    fn fourteen_that_begin_together_have_the_full_window() {
        let (windows, begin) = (FirstWindows::new(), Instant::now());
        let next = |client: &str, ms| {
            windows.share(client.parse().unwrap(), begin + Duration::from_millis(ms))
        };
        let mut ours: Vec<_> = (960..1000).map(|ms| next("192.0.2.1", ms)).collect();
        let first = packets(&ours);
        assert_eq!(first[..14], [32; 14]);
        assert_eq!(first[14..], [10; 26]);
        assert_eq!(next("192.0.2.2", 999).packets, 32, "another client");
        ours.truncate(13);
        assert_eq!(next("192.0.2.1", 999).packets, 32, "the others have ended");
        ours.clear();
        assert_eq!(next("192.0.2.1", 999).packets, 32, "one after the other");
        let kept: Vec<_> = (0..20).map(|n| next("192.0.2.3", 990 + n)).collect();
        assert_eq!(kept[19].packets, 10);
        assert_eq!(next("192.0.2.3", 1989).packets, 10);
        assert_eq!(next("192.0.2.3", 1990).packets, 32, "a second later");
    }

    #[test]
    fn a_client_is_an_address_or_a_subscribers_network() {
        let (windows, begin) = (FirstWindows::new(), Instant::now());
        let next = |client: &str| windows.share(client.parse().unwrap(), begin);
        let _subscriber: Vec<_> = (0..14).map(|_| next("2001:db8:1:2::1")).collect();
        assert_eq!(next("2001:db8:1:2:3::1").packets, 10);
        assert_eq!(next("2001:db8:1:3::1").packets, 32);
        let _mapped: Vec<_> = (0..14).map(|_| next("::ffff:192.0.2.9")).collect();
        assert_eq!(next("192.0.2.9").packets, 10);
    }

    #[test]
    fn a_connection_of_before_leaves_nothing_behind() {
        let (windows, begin) = (FirstWindows::new(), Instant::now());
        let client = "192.0.2.1".parse().unwrap();
        let early = windows.share(client, begin);
        let late: Vec<_> = (0..14).map(|_| windows.share(client, begin + TOGETHER)).collect();
        drop(early);
        assert_eq!(windows.share(client, begin + TOGETHER).packets, 10);
        drop(late);
        assert_eq!(windows.share(client, begin + TOGETHER).packets, 32);
    }

    #[test]
    fn a_full_table_gives_the_least_window() {
        let (windows, begin) = (FirstWindows::new(), Instant::now());
        let client = |number: usize| IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
        let all: Vec<_> = (0..CLIENTS).map(|number| windows.share(client(number), begin)).collect();
        assert!(all.iter().all(|share| share.packets == 32));
        assert_eq!(windows.share(client(CLIENTS), begin).packets, LEAST);
        assert_eq!(windows.share(client(1), begin).packets, 32, "one that is known");
        assert_eq!(windows.share(client(CLIENTS), begin + TOGETHER).packets, 32);
        assert_eq!(windows.table().begun.len(), 1);
    }
}
