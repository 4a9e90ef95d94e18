//! Keys that all processes of one service share, and the generation of this process. An upgraded
//! binary gets the secret from the process before it; with `-fleet` all machines have the same.

use std::sync::Arc;

use aws_lc_rs::{hkdf, hmac, rand};

use crate::server::quic::packets::relay::Machines;
use crate::server::quic::packets::{Home, Ids, LEN};

/// The keys of a service, shared by all its workers and by later processes.
pub struct ServiceKeys {
    secret: [u8; 32],
    /// 1 for the first process of a service, plus 1 for each upgrade.
    generation: u32,
    ids: Ids,
    /// Of the processes before this one, if they had another secret.
    older: Option<Older>,
    /// Authenticates stateless resets (RFC 9000 section 10.3).
    pub(crate) resets: Arc<hmac::Key>,
    /// Encrypts address validation tokens (RFC 9000 section 8.1).
    pub(crate) tokens: Arc<hkdf::Prk>,
    /// The other machines of the service.
    pub(crate) machines: Option<Arc<Machines>>,
}

struct Older {
    secret: [u8; 32],
    ids: Ids,
}

/// A secret that an earlier process has passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    pub secret: [u8; 32],
    /// The generation of this process.
    pub generation: u32,
    /// The secret of processes before that one, if it was another.
    pub older: Option<[u8; 32]>,
}

impl ServiceKeys {
    /// Generates keys, for the first process of a service.
    ///
    /// # Errors
    /// The system's random number generator fails.
    pub fn generate() -> Result<Arc<Self>, String> {
        let mut secret = [0; 32];
        rand::fill(&mut secret).map_err(|_| "no randomness from the system".to_owned())?;
        Self::of_generation(secret, 1)
    }

    /// The keys for the process with this `generation` of its service.
    ///
    /// # Errors
    /// The keys cannot be created.
    pub fn of_generation(secret: [u8; 32], generation: u32) -> Result<Arc<Self>, String> {
        Self::passed(Passed { secret, generation, older: None }).map(Arc::new)
    }

    /// The keys of the process before.
    ///
    /// # Errors
    /// The keys cannot be created.
    pub fn passed(passed: Passed) -> Result<Self, String> {
        let Passed { secret, generation, older } = passed;
        let ids = ids(&secret)?;
        let older = older.map(|secret| Ok::<_, String>(Older { secret, ids: self::ids(&secret)? }));
        let older = older.transpose()?;
        let resets = hmac::Key::new(hmac::HMAC_SHA256, &derive(&secret, "stateless resets"));
        let tokens = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&derive(&secret, "tokens"));
        let (resets, tokens) = (Arc::new(resets), Arc::new(tokens));
        Ok(Self { secret, generation, ids, older, resets, tokens, machines: None })
    }

    /// The keys that all machines of a fleet have, after those that an earlier process had.
    ///
    /// # Errors
    /// The keys cannot be created.
    pub fn of_fleet(
        secret: [u8; 32],
        before: Option<Passed>,
        machine: Option<u16>,
    ) -> Result<Arc<Self>, String> {
        let generation = before.map_or(1, |before| before.generation);
        let older = before.and_then(|before| match before.secret == secret {
            true => before.older,
            false => Some(before.secret),
        });
        let machines = Some(Machines::new(&derive(&secret, "packets"), machine)?);
        let keys = Self::passed(Passed { secret, generation, older })?;
        Ok(Arc::new(Self { machines, ..keys }))
    }

    /// The secret to pass to the next process, and to no other.
    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// That of processes before this one, if it was another.
    pub fn older(&self) -> Option<&[u8; 32]> {
        self.older.as_ref().map(|older| &older.secret)
    }

    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The other machines of the service; `None` without `-fleet`.
    pub fn machines(&self) -> Option<&Arc<Machines>> {
        self.machines.as_ref()
    }

    /// A new connection ID.
    pub(crate) fn issue(&self, place: u16) -> Option<[u8; LEN]> {
        let machine = self.machines.as_ref().map_or(0, |machines| machines.own());
        self.ids.issue(Home { generation: self.generation, place, machine }).ok()
    }

    /// The home in a connection ID; `None` if it is none of this service.
    pub(crate) fn home(&self, id: &[u8; LEN]) -> Option<Home> {
        let older = || {
            let home = self.older.as_ref()?.ids.read(id)?;
            // Those of an earlier version have noise in place of a machine.
            (home.generation < self.generation).then_some(Home { machine: 0, ..home })
        };
        self.ids.read(id).or_else(older)
    }

    /// Whether a connection with this home is one of this machine.
    pub(crate) fn is_own(&self, home: Home) -> bool {
        self.machines.as_ref().is_none_or(|machines| machines.is_own(home.machine))
    }
}

fn ids(secret: &[u8; 32]) -> Result<Ids, String> {
    Ids::new(&derive(secret, "connection IDs")[..16])
        .map_err(|_| "no key for connection IDs".to_owned())
}

fn derive(secret: &[u8; 32], purpose: &str) -> [u8; 32] {
    let mut key = [0; 32];
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), purpose.as_bytes());
    key.copy_from_slice(tag.as_ref());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_of_a_fleet_know_each_others_connections() {
        let fleet = |number, before| ServiceKeys::of_fleet([7; 32], before, Some(number)).unwrap();
        let (one, two) = (fleet(1, None), fleet(2, None));
        let id = one.issue(3).unwrap();
        let home = two.home(&id).unwrap();
        assert_eq!(home, Home { generation: 1, place: 3, machine: 1 });
        assert!(one.is_own(home) && !two.is_own(home));
        let reset = |keys: &ServiceKeys| hmac::sign(&keys.resets, &id).as_ref().to_vec();
        assert_eq!(reset(&one), reset(&two));
        // An ID of before the machine had a number stays where it comes.
        let unnumbered = ServiceKeys::of_fleet([7; 32], None, None).unwrap();
        assert!(two.is_own(two.home(&unnumbered.issue(0).unwrap()).unwrap()));
    }

    #[test]
    fn an_upgrade_into_a_fleet_keeps_connections() {
        let alone = ServiceKeys::of_generation([1; 32], 4).unwrap();
        let old = alone.issue(2).unwrap();
        let passed = |keys: &ServiceKeys| Passed {
            secret: *keys.secret(),
            generation: keys.generation() + 1,
            older: keys.older().copied(),
        };
        let joined = ServiceKeys::of_fleet([7; 32], Some(passed(&alone)), Some(9)).unwrap();
        assert_eq!(joined.generation(), 5);
        let home = joined.home(&old).unwrap();
        assert_eq!((home.generation, home.place), (4, 2));
        assert!(joined.is_own(home));
        let next = ServiceKeys::of_fleet([7; 32], Some(passed(&joined)), Some(9)).unwrap();
        assert_eq!(next.home(&old), Some(home));
        let own = next.home(&joined.issue(0).unwrap()).unwrap();
        assert_eq!((own.generation, own.machine), (5, 9));
    }
}
