//! The keys of session tickets that all machines have: rotated by one of them under a lease, known
//! to all before one uses them, and on no disk. They pass to the next process at an upgrade.

use std::time::Duration;

use super::super::engine::{Link, Outcome, Put, Sealed, Trouble};
use super::super::keys::{Generation, LENGTH, Read};
use super::super::seal::Id;
use super::Shared;
use super::thread::Life;
use super::ticket_keys::{Found, Tickets};
use crate::limits::FLEET_TICKETS;

/// The entry and its lease. Another form of the content needs another name, so that machines of
/// different versions leave it alone.
const NAME: &str = "tickets/1";

impl Shared {
    /// Shares the keys of session tickets too, and goes on with what the process before this one
    /// has passed. Listeners that are built later have them.
    pub fn share_tickets(&self, passed: Option<&[u8]>) {
        let period = self.0.engine.place().tickets.unwrap_or(FLEET_TICKETS);
        let now = self.0.begun.elapsed();
        self.0.tickets.get_or_init(|| Tickets::new(period, passed, now));
    }

    /// The keys for the next process.
    pub fn pass_tickets(&self) -> Option<Vec<u8>> {
        Some(self.0.tickets.get()?.pass(self.0.begun.elapsed()))
    }
}

impl Life {
    pub(super) fn is_tickets(&self, id: Id) -> bool {
        self.tickets_id() == Some(id)
    }

    /// `None` if this process does not share them.
    pub(super) fn tickets_id(&self) -> Option<Id> {
        self.inner.tickets.get().map(|_| self.inner.seal.id(NAME))
    }

    /// Takes what the engine has of them; the question was sent at `sent`.
    pub(super) fn read_tickets(&self, sealed: Option<&Sealed>, sent: Duration) {
        let opened = |sealed: &Sealed| {
            let opened = self.inner.seal.open(sealed.id, sealed.version, &sealed.sealed);
            let content = opened.and_then(|opened| opened.content).unwrap_or_default();
            let (keys, rest) = content.as_chunks::<LENGTH>();
            if keys.is_empty() || !rest.is_empty() {
                log::warn!("fleet: the engine's keys of session tickets are damaged, not taken");
            }
            let keys = keys.iter().filter_map(Generation::from_bytes).collect();
            Found { version: sealed.version, keys }
        };
        self.found_tickets(sealed.map(opened), sent);
    }

    /// The engine has still what it had.
    pub(super) fn reread_tickets(&self, sent: Duration) {
        let found = self.inner.tickets.get().and_then(Tickets::found);
        self.found_tickets(found, sent);
    }

    fn found_tickets(&self, found: Option<Found>, sent: Duration) {
        let Some(tickets) = self.inner.tickets.get() else { return };
        let (received, engine) = (self.now(), self.engine_now());
        let version = found.as_ref().map_or(engine, |found| found.version);
        tickets.read(found, Read { sent, received, engine, version });
    }

    /// While the engine is away, keys only become older.
    pub(super) fn age_tickets(&self) {
        if let Some(tickets) = self.inner.tickets.get() {
            tickets.show(self.now());
        }
    }

    /// Publishes what is due under the lease, or sees to it; whether a question about the lease is
    /// due now.
    pub(super) async fn rotate_tickets(&mut self, link: &mut Link) -> Result<bool, Trouble> {
        let inner = self.inner.clone();
        let Some(tickets) = inner.tickets.get() else { return Ok(false) };
        let now = self.now();
        if !tickets.is_due(now) {
            self.give_up(NAME);
            let lease = self.leases.get(NAME);
            return Ok(lease.is_some_and(|lease| lease.question(now).is_some()));
        }
        let lease = self.leases.entry(NAME.to_owned()).or_default();
        lease.want(now);
        let Some(fence) = lease.fence(now) else { return Ok(lease.question(now).is_some()) };
        let Some(fresh) = Generation::fresh() else {
            log::warn!("fleet: no random numbers for a key of session tickets");
            return Ok(false);
        };
        let before = tickets.found().map(|found| found.version);
        let keys = tickets.proposal(fence, fresh);
        let content = keys.iter().flat_map(|key| key.to_bytes()).collect::<Vec<_>>();
        let version = self.next_version(before, Some(fence));
        let Some(sealed) = inner.seal.close(NAME, Some(&content), version) else {
            return Ok(false);
        };
        let (id, sent) = (inner.seal.id(NAME), now);
        let (lease, fence) = (id.to_string(), Some(fence));
        let (is_restored, is_told) = (false, false);
        let (sealed, lease) = (&sealed, &lease);
        let put = Put { id, before, version, sealed, lease, fence, is_restored, is_told };
        match link.put(&put).await? {
            Outcome::Written(change) => {
                self.seen = self.seen.max(version);
                self.made(change);
                self.found_tickets(Some(Found { version, keys }), sent);
                log::debug!("fleet: published a key of session tickets");
            }
            // The engine has lost the lease, or it is over.
            Outcome::Fenced => self.give_up(NAME),
            Outcome::Other(_) => {
                self.read_tickets(link.fetch(&[id]).await?.first(), sent);
                // What is due still is so with the next event, not at once.
                return Ok(!tickets.is_due(self.now()));
            }
        }
        Ok(true)
    }
}
