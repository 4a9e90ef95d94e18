//! This machine among the others: its signs of life, its number, and who else is there.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::super::engine::members::{Listed, Sign, Signed};
use super::super::engine::{Link, Polled, Trouble};
use super::super::members::{Claim, Member, Said};
use super::super::seal::{Opened, Seal};
use super::locked;
use super::membership::{Clock, FILE};
use super::thread::Life;
use crate::fleet::Stamp;
use crate::limits::FLEET_BEAT;
use crate::tls::Storage as _;

/// Numbers that are tried at once.
const TRIES: u32 = 5;
/// The version that a sign of life is sealed with: each takes the place of the one before.
const UNVERSIONED: Stamp = 0;

impl Life {
    /// The question of every few seconds, with a sign of life if one is due.
    pub(super) async fn ask(&mut self, link: &mut Link) -> Result<Polled, Trouble> {
        let is_due = Instant::now() >= self.membership.next;
        if !is_due || !self.inner.is_member.load(Ordering::Acquire) {
            let asked = Instant::now();
            let polled = link.poll().await?;
            self.answered(asked);
            return Ok(polled);
        }
        // The questions come every third part of it.
        self.membership.next = Instant::now() + FLEET_BEAT - FLEET_BEAT / 6;
        for _ in 0..TRIES {
            let signed = self.sign(link, true).await?;
            if !signed.is_taken {
                self.signed(&signed);
                return Ok(signed.polled);
            }
            if self.membership.is_granted {
                let number = self.membership.claim.number;
                log::warn!("fleet: number {number} is another machine's now; taking a new one");
            }
            self.membership.rename();
        }
        link.poll().await
    }

    /// The engine is connected: others may send us packets by now.
    pub(super) fn open_way(&mut self, link: &Link) {
        if let (Some(local), Some(neighbours)) = (link.local, &*locked(&self.inner.neighbours)) {
            self.membership.way = neighbours.connected(local);
        }
    }

    async fn sign(&mut self, link: &mut Link, stays: bool) -> Result<Signed, Trouble> {
        let membership = &self.membership;
        let claim = membership.claim;
        let said = membership.said(self.engine_now());
        let sealed = stays.then(|| seal(&self.inner.seal, claim, &said)).flatten();
        let lists = stays && membership.signs.is_multiple_of(locked(&self.inner.seen).roll.pause());
        let asked = Instant::now();
        let signed = link.sign(&Sign { claim, sealed: sealed.as_deref(), lists }).await?;
        self.answered(asked);
        self.set_clock(signed.polled.now);
        if let Some(listed) = lists.then_some(&signed.listed) {
            let members = listed.iter().filter_map(|one| open(&self.inner.seal, one)).collect();
            locked(&self.inner.seen).roll.replace(signed.polled.now, members);
        }
        Ok(signed)
    }

    pub(super) fn answered(&mut self, asked: Instant) {
        self.membership.lag = asked.elapsed();
        locked(&self.inner.seen).lag = Some(asked.elapsed());
    }

    fn signed(&mut self, signed: &Signed) {
        let before = signed.before.as_ref().and_then(|one| open(&self.inner.seal, one));
        let membership = &mut self.membership;
        membership.signs = membership.signs.wrapping_add(1);
        membership.since.get_or_insert(signed.polled.now);
        if membership.is_copied(before.as_ref().map(|before| &before.said)) {
            let number = membership.claim.number;
            log::warn!(
                "fleet: another machine says that it is number {number}, as after its disk was \
                 copied; taking a new number"
            );
            membership.rename();
            membership.next = Instant::now();
            return;
        }
        if !membership.is_granted || membership.signs == 1 {
            membership.is_granted = true;
            let kept = self.inner.folder.write(FILE, membership.claim.text().as_bytes());
            if let Err(error) = kept {
                log::warn!("fleet: {error}");
            }
        }
        let number = membership.number();
        let engine = self.inner.engine.place().to_string();
        let view = {
            let mut seen = locked(&self.inner.seen);
            (seen.number, seen.clock) = (number, Some(Clock::at(signed.polled.now)));
            seen.view(engine)
        };
        if let Some(neighbours) = &*locked(&self.inner.neighbours) {
            neighbours.learned(&view);
        }
    }

    /// Tells the others that this machine is gone, unless another process of it goes on.
    pub(super) async fn part(&mut self, link: &mut Link) -> Result<(), Trouble> {
        if self.inner.is_member.load(Ordering::Acquire) && self.membership.signs > 0 {
            self.sign(link, false).await?;
        }
        Ok(())
    }

    /// What others are told of the engine.
    pub(super) fn show(&self, is_connected: bool) {
        let mut seen = locked(&self.inner.seen);
        seen.connected(is_connected);
        seen.clock = self.clock;
        seen.number = seen.number.or(self.membership.number());
    }
}

fn seal(seal: &Seal, claim: Claim, said: &Said) -> Option<Vec<u8>> {
    seal.close(&claim.name(), Some(said.text().as_bytes()), UNVERSIONED)
}

/// `None`: it is damaged, or of another number.
fn open(seal: &Seal, listed: &Listed) -> Option<Member> {
    let name = listed.claim.name();
    let Opened { content, .. } = seal.open(seal.id(&name), UNVERSIONED, &listed.sealed)?;
    let said = Said::parse(&content?)?;
    Some(Member { number: listed.claim.number, said, seen: listed.seen })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_bound_to_its_number_and_holder() {
        let (key, other) = (Seal::new(&[1; 32]).unwrap(), Seal::new(&[2; 32]).unwrap());
        let claim = Claim { number: 3, holder: 9 };
        let said = Said {
            host: "web1".to_owned(),
            version: "1".to_owned(),
            since: 7,
            lag: std::time::Duration::ZERO,
            way: None,
            process: 1,
        };
        let sealed = seal(&key, claim, &said).unwrap();
        let listed = |claim| Listed { claim, seen: 5, sealed: sealed.clone() };
        let member = open(&key, &listed(claim)).unwrap();
        assert_eq!((member.number, member.seen, member.said), (3, 5, said));
        assert_eq!(open(&key, &listed(Claim { number: 4, ..claim })), None);
        assert_eq!(open(&key, &listed(Claim { holder: 8, ..claim })), None);
        assert_eq!(open(&other, &listed(claim)), None);
    }
}
