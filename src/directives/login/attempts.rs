//! Bounds for guessing: each address and each user has so many wrong passwords, and one more after
//! each pause. The memory is fixed, whoever tries.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::{LOGIN_ADDRESS, LOGIN_PAUSE, LOGIN_USER};
use crate::net::subscriber::Subscriber;

/// Addresses and users share them by a hash that nobody can guess.
const PLACES: usize = 1 << 14;

pub(super) struct Attempts {
    hash: RandomState,
    places: Mutex<Vec<Place>>,
}

/// Attempts that are used up, as the time until all of them are there again.
#[derive(Clone, Copy)]
struct Place {
    free_at: Option<Instant>,
}

/// Whom an attempt is counted for.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    address: u64,
    user: u64,
}

static SHARED: LazyLock<Attempts> = LazyLock::new(Attempts::new);

/// The keys of an attempt. An IPv6 client has all addresses of its /64.
pub(super) fn keys(ip: IpAddr, site: &str, user: &str) -> Keys {
    let hash = &SHARED.hash;
    let address = hash.hash_one(("address", Subscriber::of(ip)));
    Keys { address, user: hash.hash_one(("user", site, user)) }
}

impl Attempts {
    /// Those of the process.
    pub(super) fn shared() -> &'static Self {
        &SHARED
    }

    fn new() -> Self {
        let places = Mutex::new(vec![Place { free_at: None }; PLACES]);
        Self { hash: RandomState::new(), places }
    }

    /// Takes an attempt of both keys; else how long until there is one.
    pub(super) fn take(&self, keys: Keys, now: Instant) -> Result<(), Duration> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let sides = [(keys.address, LOGIN_ADDRESS), (keys.user, LOGIN_USER)];
        let next = sides.map(|(key, most)| {
            let from = places[place(key)].free_at.map_or(now, |at| at.max(now));
            let full = from + LOGIN_PAUSE;
            let wait = full.saturating_duration_since(now + LOGIN_PAUSE * most);
            (place(key), full, wait)
        });
        let wait = next.iter().map(|(_, _, wait)| *wait).max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(wait);
        }
        for (at, full, _) in next {
            places[at].free_at = Some(full);
        }
        Ok(())
    }

    /// The password was right.
    pub(super) fn give_back(&self, keys: Keys) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        for key in [keys.address, keys.user] {
            let at = &mut places[place(key)].free_at;
            *at = at.and_then(|at| at.checked_sub(LOGIN_PAUSE));
        }
    }
}

fn place(key: u64) -> usize {
    (key % PLACES as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_used_up_and_come_back() {
        let (attempts, now) = (Attempts::new(), Instant::now());
        let keys = |address, user| Keys { address, user };
        for _ in 0..LOGIN_ADDRESS {
            assert!(attempts.take(keys(1, 2), now).is_ok());
        }
        let wait = attempts.take(keys(1, 3), now).unwrap_err();
        assert_eq!(wait, LOGIN_PAUSE);
        assert!(attempts.take(keys(1, 3), now + wait).is_ok(), "after the pause");
        assert!(attempts.take(keys(4, 2), now).is_ok(), "another address");
        // A user is guessed from many addresses.
        for address in 0..u64::from(LOGIN_USER) - u64::from(LOGIN_ADDRESS) - 1 {
            assert!(attempts.take(keys(100 + address, 2), now).is_ok(), "{address}");
        }
        assert!(attempts.take(keys(9, 2), now).is_err());
        attempts.give_back(keys(9, 2));
        assert!(attempts.take(keys(9, 2), now).is_ok(), "a right one does not count");
    }

    #[test]
    fn an_ipv6_client_is_one() {
        let of = |ip: &str| keys(ip.parse().unwrap(), "s", "u").address;
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    }
}
