//! How the copies of this machine and the engine's become the same: what is taken, what is written,
//! and what the engine has lost.

use std::collections::HashMap;
use std::io;
use std::time::Instant;

use super::super::Stamp;
use super::super::copies::{Verdict, judge};
use super::super::engine::{Link, Outcome, Put, Sealed, Survey, Trouble};
use super::super::seal::{Id, Opened};
use super::expiry::is_over;
use super::records::{Record, hash};
use super::thread::Life;
use crate::tls::acme::entries;

/// Entries that are fetched at once.
const BATCH: usize = 32;

impl Life {
    /// Compares all versions; with `with_files` also all files with what was known of them, for
    /// what was written without the engine.
    pub(super) async fn survey(
        &mut self,
        link: &mut Link,
        with_files: bool,
    ) -> Result<(), Trouble> {
        let sent = self.now();
        let own = self.inner.seal.fingerprint().to_owned();
        // A machine with a wrong key must not become the fleet when the engine is emptied.
        let asked = Instant::now();
        let surveyed = link.survey(&own, !self.is_refused).await?;
        self.answered(asked);
        let Survey { fingerprint, now, revision, versions } = surveyed;
        self.refuse(fingerprint != own);
        if self.is_refused {
            return Err(self.refusal(link, fingerprint.is_empty()));
        }
        self.goes_on();
        self.set_clock(now);
        self.revision = revision;
        let engine: HashMap<Id, Stamp> = versions.iter().map(|one| (one.id, one.version)).collect();
        let adopts = |id: Id| {
            let own = self.records.get(id).map(|record| record.version);
            judge(own, engine.get(&id).copied()) == Verdict::Adopt
        };
        let adopted: Vec<_> = engine.keys().copied().filter(|id| adopts(*id)).collect();
        self.take(link, &adopted).await?;
        if self.tickets_id().is_some_and(|id| !engine.contains_key(&id)) {
            self.read_tickets(None, sent);
        }
        self.restore(link, &engine).await?;
        if with_files {
            let mut names = entries::list(&self.inner.folder);
            let records = self.records.all().map(|(_, record)| &record.name);
            names.extend(records.filter(|name| entries::is_transient(name)).cloned());
            names.extend(self.removed.iter().cloned());
            for name in names {
                self.push(link, &name).await?;
                self.goes_on();
            }
            self.records.save(&self.inner.folder);
        }
        Ok(())
    }

    /// Takes these entries from the engine.
    pub(super) async fn take(&mut self, link: &mut Link, ids: &[Id]) -> Result<(), Trouble> {
        for batch in ids.chunks(BATCH) {
            let sent = self.now();
            for sealed in link.fetch(batch).await? {
                if self.is_tickets(sealed.id) {
                    self.read_tickets(Some(&sealed), sent);
                } else if let Some(entry) = self.adopt(&sealed) {
                    self.push(link, &entry).await?;
                }
                self.goes_on();
            }
            self.tell_arrived();
            Box::pin(self.tend(link)).await?;
        }
        Ok(())
    }

    /// Takes one entry; returns its name if this machine has a better one.
    fn adopt(&mut self, sealed: &Sealed) -> Option<String> {
        let Sealed { id, version, sealed } = sealed;
        let own = self.records.get(*id).cloned();
        if judge(own.as_ref().map(|own| own.version), Some(*version)) != Verdict::Adopt {
            return None;
        }
        let Some(Opened { name, content }) = self.inner.seal.open(*id, *version, sealed) else {
            log::warn!("fleet: the engine's entry {id} is damaged, and not taken");
            return None;
        };
        // Of a later version of this program, for instance.
        if entries::entry_of(&name).as_ref() != Some(&name) {
            return None;
        }
        self.seen = self.seen.max(*version);
        let here = match entries::read(&self.inner.folder, &name) {
            Ok(here) => here,
            Err(error) => {
                log::warn!("fleet: {error}");
                return None;
            }
        };
        let (ours, theirs) = (hash(here.as_deref()), hash(content.as_deref()));
        let record = Record { name: name.clone(), version: *version, hash: theirs.clone() };
        // Obtained while the engine was away.
        let is_unknown = ours != own.and_then(|own| own.hash);
        let is_better = is_unknown
            && matches!((&here, &content), (Some(a), Some(b)) if entries::is_later(a, b));
        if is_better {
            self.records.set(*id, record);
            return Some(name);
        }
        if ours == theirs {
            self.records.set(*id, record);
            // Another process of this machine may have taken it: ours does not know yet.
            self.arrived.push(name);
            return None;
        }
        match entries::replace(&self.inner.folder, &name, content.as_deref()) {
            Ok(()) => {
                self.records.set(*id, record);
                self.arrived.push(name);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.untaken.insert(*id);
            }
            Err(error) => log::warn!("fleet: {name}: {error}"),
        }
        None
    }

    /// Writes again what the engine has lost.
    async fn restore(
        &mut self,
        link: &mut Link,
        engine: &HashMap<Id, Stamp>,
    ) -> Result<(), Trouble> {
        let lost: Vec<_> = self
            .records
            .all()
            .filter_map(|(id, record)| {
                let verdict = judge(Some(record.version), engine.get(&id).copied());
                matches!(verdict, Verdict::Restore(_)).then(|| (id, record.clone()))
            })
            .collect();
        let mut count = 0;
        let now = self.time();
        for (id, record) in lost {
            let content = entries::read(&self.inner.folder, &record.name).ok().flatten();
            let is_changed = hash(content.as_deref()) != record.hash;
            if is_changed || is_over(&record, content.as_deref(), now) {
                continue;
            }
            let Record { name, version, .. } = record;
            let Some(sealed) = self.inner.seal.close(&name, content.as_deref(), version) else {
                continue;
            };
            let lease = self.inner.seal.id(&entries::lock_of(&name)).to_string();
            let (before, fence) = (None, None);
            let put = Put {
                id,
                before,
                version,
                sealed: &sealed,
                lease: &lease,
                fence,
                is_restored: true,
                is_told: entries::is_proof(&name),
            };
            if let Outcome::Written(change) = link.put(&put).await? {
                self.made(change);
                count += 1;
            }
            self.goes_on();
            Box::pin(self.tend(link)).await?;
        }
        if count > 0 {
            log::warn!("fleet: {} had lost {count} entries; they are written again", link.place);
        }
        Ok(())
    }

    /// Writes an entry that has changed here.
    pub(super) async fn push(&mut self, link: &mut Link, name: &str) -> Result<(), Trouble> {
        let content = match entries::read(&self.inner.folder, name) {
            Ok(content) => content,
            Err(error) => {
                log::warn!("fleet: {error}");
                return Ok(());
            }
        };
        let id = self.inner.seal.id(name);
        let known = self.records.get(id).cloned();
        if content.is_some() {
            self.removed.remove(name);
        }
        let is_removed = self.removed.contains(name) || entries::is_transient(name);
        let known_hash = known.as_ref().and_then(|known| known.hash.clone());
        let new = hash(content.as_deref());
        if new == known_hash || (content.is_none() && !is_removed) {
            return Ok(());
        }
        let lock = entries::lock_of(name);
        let now = self.now();
        let fence = self.leases.get(&lock).and_then(|lease| lease.fence(now));
        let before = known.map(|known| known.version);
        let version = self.next_version(before, fence);
        let Some(sealed) = self.inner.seal.close(name, content.as_deref(), version) else {
            return Ok(());
        };
        let lease = self.inner.seal.id(&lock).to_string();
        let (is_restored, is_told) = (false, content.is_some() && entries::is_proof(name));
        if is_told {
            // It comes to this machine, too, which has it.
            self.inner.is_newest(name, version);
        }
        let sealed = &sealed;
        let mut put =
            Put { id, before, version, sealed, lease: &lease, fence, is_restored, is_told };
        let outcome = put_at_last(link, &mut put).await?;
        if is_told && !matches!(outcome, Outcome::Written(_)) {
            self.inner.is_not_written(name);
        }
        match outcome {
            Outcome::Written(change) => {
                self.seen = self.seen.max(version);
                self.removed.remove(name);
                self.records.set(id, Record { name: name.to_owned(), version, hash: new });
                self.made(change);
            }
            Outcome::Fenced => drop(self.unwritten.insert(name.to_owned())),
            Outcome::Other(_) => self.meet(link, id, name).await?,
        }
        Ok(())
    }

    /// A version for what replaces `before`.
    pub(super) fn next_version(&self, before: Option<Stamp>, fence: Option<Stamp>) -> Stamp {
        let base = before.unwrap_or(0).max(fence.unwrap_or(0)).max(self.engine_now());
        base.max(self.seen) + 1 + u64::from(fastrand::u16(..))
    }

    /// Another machine was faster.
    async fn meet(&mut self, link: &mut Link, id: Id, name: &str) -> Result<(), Trouble> {
        match link.fetch(&[id]).await?.first() {
            Some(sealed) => {
                // What is better here is written with the next question.
                if let Some(better) = self.adopt(sealed) {
                    self.unwritten.insert(better);
                }
            }
            // The engine has lost it since.
            None => drop(self.unwritten.insert(name.to_owned())),
        }
        Ok(())
    }
}

/// Writes an entry, also where the engine has lost what the write goes by.
async fn put_at_last(link: &mut Link, put: &mut Put<'_>) -> Result<Outcome, Trouble> {
    let mut outcome = link.put(put).await?;
    if outcome == Outcome::Fenced && put.fence.is_some() {
        // The engine may have lost the lease: then nobody else has it.
        put.fence = None;
        outcome = link.put(put).await?;
    }
    if let Outcome::Other(have) = outcome
        && have < put.before
    {
        // The engine has lost what this machine replaces.
        put.before = have;
        outcome = link.put(put).await?;
    }
    Ok(outcome)
}
