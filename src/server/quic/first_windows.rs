//! The initial congestion windows of a client's connections. Those that begin together share the
//! slowest link of their path, so they share an initial window (RFC 9040 section 2.2), but none has
//! less than RFC 9002 section 7.2 recommends.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::congestion::INITIAL_WINDOW_PACKETS;
use super::packets::recent::Recent;
use crate::net::subscriber::Subscriber;

/// The initial window of RFC 9002, in packets.
const LEAST: u64 = 10;
/// Connections that begin within this time of the first one share a window.
const TOGETHER: Duration = Duration::from_secs(1);
/// Clients at a time; one more gets the least window.
const CLIENTS: usize = 4096;

/// How many connections of each client of the process began a short time ago.
pub(crate) struct FirstWindows(Mutex<Recent<Subscriber, u64, Instant>>);

impl FirstWindows {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Recent::new(CLIENTS, TOGETHER)))
    }

    /// The initial window of a client's new connection, in packets.
    pub(super) fn next(&self, client: IpAddr, now: Instant) -> u64 {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(connections) = table.get_or_default(Subscriber::of(client), now) else {
            return LEAST;
        };
        *connections += 1;
        (INITIAL_WINDOW_PACKETS / *connections).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_begin_together_share_a_window() {
        let (windows, begin) = (FirstWindows::new(), Instant::now());
        let next = |client: &str, ms| {
            windows.next(client.parse().unwrap(), begin + Duration::from_millis(ms))
        };
        let ours = [0, 1, 2, 3, 4, 999].map(|ms| next("192.0.2.1", ms));
        assert_eq!(ours, [32, 16, 10, 10, 10, 10]);
        assert_eq!(next("192.0.2.2", 5), 32, "another client");
        assert_eq!(next("192.0.2.1", 1000), 32, "a second later");
        assert_eq!(next("2001:db8:1:2::1", 5), 32);
        assert_eq!(next("2001:db8:1:2:3::1", 6), 16, "of the same subscriber");
        assert_eq!(next("2001:db8:1:3::1", 7), 32);
        assert_eq!(next("::ffff:192.0.2.2", 8), 16, "the address in another form");
    }

    #[test]
    fn a_full_table_gives_the_least_window() {
        let (windows, begin) = (FirstWindows::new(), Instant::now());
        let client = |number: usize| IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
        for number in 0..CLIENTS {
            assert_eq!(windows.next(client(number), begin), 32);
        }
        assert_eq!(windows.next(client(CLIENTS), begin), LEAST);
        assert_eq!(windows.next(client(1), begin), 16, "one that is known");
        let later = begin + TOGETHER;
        assert_eq!(windows.next(client(CLIENTS), later), 32);
        assert_eq!(windows.0.lock().unwrap().len(), 1);
    }
}
