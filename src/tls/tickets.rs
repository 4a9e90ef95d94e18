//! Session tickets (RFC 8446 section 4.6.1, RFC 5077). A process has keys of its own; several
//! machines that are one service have keys in common, so that a session of one resumes on another.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::rand::fill;
use rustls::crypto::aws_lc_rs::Ticketer as Library;
use rustls::server::ProducesTickets;

use super::clients::Demand;

pub(super) type Ticketer = Arc<dyn ProducesTickets>;

const NAME: usize = 16;
const SALT: usize = 16;

/// Ticket keys of the process, so that sessions resume after a reload.
static TICKETS: LazyLock<Tickets> = LazyLock::new(Tickets::default);

#[derive(Default)]
struct Tickets {
    /// Separate per client certificate requirement, as a resumption does not verify the
    /// certificate again.
    known: Mutex<HashMap<Option<Demand>, Ticketer>>,
    common: OnceLock<Arc<TicketKeys>>,
}

/// A key that all machines have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TicketKey {
    /// What a ticket begins with.
    pub name: [u8; NAME],
    pub secret: [u8; 32],
}

/// The keys in common, which change while the service runs.
pub struct TicketKeys {
    known: ArcSwap<Known>,
    /// How long a client may keep a ticket.
    lifetime: u32,
}

#[derive(Default)]
struct Known {
    used: Option<[u8; NAME]>,
    accepted: Vec<(TicketKey, hmac::Key)>,
}

/// Has listeners that are built later use keys in common, and keys of their own while there are
/// none.
pub fn share(lifetime: Duration) -> Arc<TicketKeys> {
    TICKETS.common.get_or_init(|| Arc::new(TicketKeys::new(lifetime))).clone()
}

/// The ticketer for sites with this client certificate requirement.
pub(super) fn ticketer(demand: Option<&Demand>) -> Result<Ticketer, String> {
    let mut known = TICKETS.known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(ticketer) = known.get(&demand.cloned()) {
        return Ok(ticketer.clone());
    }
    // It rotates its key every few hours.
    let own =
        Library::new().map_err(|error| format!("cannot create session ticket keys: {error}"))?;
    let made = match TICKETS.common.get() {
        Some(keys) => Arc::new(Common::new(keys.clone(), own, demand)),
        None => own,
    };
    known.insert(demand.cloned(), made.clone());
    Ok(made)
}

impl TicketKeys {
    fn new(lifetime: Duration) -> Self {
        let lifetime = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
        Self { known: ArcSwap::default(), lifetime }
    }

    /// From now on tickets are made with the key of the name `used`, and these are accepted.
    pub fn replace(&self, used: Option<[u8; NAME]>, accepted: &[TicketKey]) {
        let key = |key: &TicketKey| (*key, hmac::Key::new(HMAC_SHA256, &key.secret));
        let accepted = accepted.iter().map(key).collect();
        self.known.store(Arc::new(Known { used, accepted }));
    }

    /// Whether they are these already.
    pub fn are(&self, used: Option<[u8; NAME]>, accepted: &[TicketKey]) -> bool {
        let known = self.known.load();
        known.used == used && known.accepted.iter().map(|(key, _)| key).eq(accepted)
    }
}

impl Known {
    fn find(&self, name: &[u8; NAME]) -> Option<&hmac::Key> {
        self.accepted.iter().find(|(key, _)| key.name == *name).map(|(_, secret)| secret)
    }
}

/// Tickets with the keys in common. Each has a key of its own, so that the number of tickets of all
/// machines has no bound: name, salt, and what AES-256-GCM makes of the session.
struct Common {
    keys: Arc<TicketKeys>,
    own: Ticketer,
    /// Tells the client certificate requirements from one another.
    demand: Vec<u8>,
}

impl Common {
    fn new(keys: Arc<TicketKeys>, own: Ticketer, demand: Option<&Demand>) -> Self {
        let demand = demand.map(|demand| demand.digest().to_vec()).unwrap_or_default();
        Self { keys, own, demand }
    }

    fn key(&self, secret: &hmac::Key, salt: &[u8]) -> Option<LessSafeKey> {
        let mut context = hmac::Context::with_key(secret);
        context.update(salt);
        context.update(&self.demand);
        let key = UnboundKey::new(&AES_256_GCM, context.sign().as_ref()).ok()?;
        Some(LessSafeKey::new(key))
    }

    fn close(&self, name: [u8; NAME], secret: &hmac::Key, plain: &[u8]) -> Option<Vec<u8>> {
        let mut salt = [0; SALT];
        fill(&mut salt).ok()?;
        let mut text = plain.to_vec();
        let key = self.key(secret, &salt)?;
        key.seal_in_place_append_tag(nonce(), Aad::from(name), &mut text).ok()?;
        Some([name.as_slice(), &salt, &text].concat())
    }

    fn open(&self, name: [u8; NAME], secret: &hmac::Key, rest: &[u8]) -> Option<Vec<u8>> {
        let (salt, text) = rest.split_at_checked(SALT)?;
        let mut text = text.to_vec();
        let key = self.key(secret, salt)?;
        let plain = key.open_in_place(nonce(), Aad::from(name), &mut text).ok()?;
        Some(plain.to_vec())
    }
}

/// The only one under each key.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

impl ProducesTickets for Common {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.keys.lifetime
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let known = self.keys.known.load();
        let used = known.used.and_then(|name| Some((name, known.find(&name)?)));
        match used {
            Some((name, secret)) => self.close(name, secret, plain),
            None => self.own.encrypt(plain),
        }
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        match self.keys.known.load().find(name) {
            Some(secret) => self.open(*name, secret, rest),
            None => self.own.decrypt(ticket),
        }
    }
}

impl fmt::Debug for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Common").field(&self.keys).finish()
    }
}

/// Without the secrets.
impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.known.load().accepted.iter().map(|(key, _)| key.name).collect();
        f.debug_tuple("TicketKeys").field(&names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::tls::clients::{Clients, Mode};

    fn key(number: u8) -> TicketKey {
        TicketKey { name: [number; NAME], secret: [number; 32] }
    }

    /// A machine, and its ticketers for sites without and with client certificates.
    fn machine() -> (Arc<TicketKeys>, [Common; 2]) {
        let keys = Arc::new(TicketKeys::new(Duration::from_secs(7)));
        let demand = Clients::load(Mode::Require, &[]).unwrap();
        let of = |demand| Common::new(keys.clone(), Library::new().unwrap(), demand);
        let both = [of(None), of(Some(demand.demand()))];
        (keys, both)
    }

    #[test]
    fn a_ticket_of_one_machine_is_taken_by_another() {
        let (one, [open, closed]) = machine();
        let (two, [other, other_closed]) = machine();
        assert_eq!(open.lifetime(), 7);
        one.replace(Some([2; NAME]), &[key(1), key(2)]);
        assert!(one.are(Some([2; NAME]), &[key(1), key(2)]));
        assert!(!one.are(Some([1; NAME]), &[key(1), key(2)]) && !one.are(Some([2; NAME]), &[]));
        let ticket = open.encrypt(b"session").unwrap();
        assert_ne!(open.encrypt(b"session").unwrap(), ticket);
        assert!(!ticket.windows(7).any(|bytes| bytes == b"session"));
        assert_eq!(other.decrypt(&ticket), None);
        // It does not use the key yet.
        two.replace(Some([1; NAME]), &[key(1), key(2)]);
        assert_eq!(other.decrypt(&ticket).as_deref(), Some(b"session".as_slice()));
        assert_eq!(open.decrypt(&other.encrypt(b"x").unwrap()).as_deref(), Some(b"x".as_slice()));
        // Other requirements of client certificates.
        assert_eq!((closed.decrypt(&ticket), other_closed.decrypt(&ticket)), (None, None));
        let ticket = closed.encrypt(b"session").unwrap();
        assert_eq!(other.decrypt(&ticket), None);
        assert!(other_closed.decrypt(&ticket).is_some());
        two.replace(Some([3; NAME]), &[key(3)]);
        assert_eq!(other_closed.decrypt(&ticket), None);
    }

    #[test]
    fn without_keys_in_common_a_machine_has_its_own() {
        let (keys, [ticketer, _]) = machine();
        let ticket = ticketer.encrypt(b"session").unwrap();
        assert!(ticketer.decrypt(&ticket).is_some());
        keys.replace(Some([1; NAME]), &[key(1)]);
        let common = ticketer.encrypt(b"session").unwrap();
        assert_eq!(common[..NAME], [1; NAME]);
        assert!(ticketer.decrypt(&ticket).is_some(), "still");
        keys.replace(None, &[key(1)]);
        assert_ne!(ticketer.encrypt(b"session").unwrap()[..NAME], [1; NAME]);
        assert!(ticketer.decrypt(&common).is_some());
    }

    #[test]
    fn what_is_no_ticket_is_refused() {
        let (keys, [ticketer, _]) = machine();
        keys.replace(Some([1; NAME]), &[key(1)]);
        let ticket = ticketer.encrypt(b"session").unwrap();
        for length in 0..ticket.len() {
            assert_eq!(ticketer.decrypt(&ticket[..length]), None, "{length}");
        }
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(ticketer.decrypt(&changed), None, "{at}");
        }
    }
}
