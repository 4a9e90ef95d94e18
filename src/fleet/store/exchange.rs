//! How the copies of this machine and the engine's become the same: what is compared, and what is
//! taken. What is written is in `write`.

use std::collections::HashMap;
use std::io;
use std::time::Instant;

use super::super::Stamp;
use super::super::copies::{Verdict, judge};
use super::super::engine::{Link, Sealed, Survey, Trouble};
use super::super::seal::{Id, Opened};
use super::records::{Record, hash};
use super::thread::Life;
use crate::tls::acme::entries;

/// Entries that are fetched, or written, at once.
pub(super) const BATCH: usize = 32;
/// Entries that cannot be taken and are remembered; more are fetched again.
const UNREAD: usize = 65_536;

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
        if with_files {
            self.forget_missing();
        }
        self.unread.retain(|id, version| engine.get(id) == Some(version));
        let adopts = |id: Id, version: Stamp| {
            let own = self.records.get(id).map(|record| record.version);
            let is_unread = self.unread.get(&id) == Some(&version);
            !is_unread && judge(own, Some(version)) == Verdict::Adopt
        };
        let all = engine.iter().map(|(id, version)| (*id, *version));
        let adopted: Vec<_> =
            all.filter(|(id, version)| adopts(*id, *version)).map(|(id, _)| id).collect();
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
            // As the list is sorted.
            names.sort_by(|a, b| b.cmp(a));
            names.dedup();
            self.push_all(link, &names).await?;
            self.records.save(&self.inner.folder);
        }
        Ok(())
    }

    /// Forgets what was known of entries whose files are missing or damaged, so that they are taken
    /// anew. What is there for a while only, and what is removed on purpose, goes to the engine.
    fn forget_missing(&mut self) {
        let is_missing = |name: &str| matches!(entries::read(&self.inner.folder, name), Ok(None));
        let missing: Vec<_> = self
            .records
            .all()
            .filter(|(_, Record { name, hash, .. })| {
                let is_expected = hash.is_some() && !entries::is_transient(name);
                is_expected && !self.removed.contains(name) && is_missing(name)
            })
            .map(|(id, _)| id)
            .collect();
        missing.into_iter().for_each(|id| self.records.forget(id));
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
            let is_long = ids.len() > BATCH;
            self.between(link, is_long).await?;
        }
        Ok(())
    }

    /// What cannot wait for the end of work that takes long: leases, and with `is_long` what other
    /// machines tell meanwhile.
    pub(super) async fn between(&mut self, link: &mut Link, is_long: bool) -> Result<(), Trouble> {
        self.goes_on();
        if is_long {
            link.told_meanwhile().iter().for_each(|told| self.hear(told));
            // The connection is another task of this thread.
            tokio::task::yield_now().await;
        }
        Box::pin(self.tend(link)).await
    }

    /// Takes one entry; returns its name if this machine has a better one.
    pub(super) fn adopt(&mut self, sealed: &Sealed) -> Option<String> {
        let Sealed { id, version, sealed } = sealed;
        let own = self.records.get(*id).cloned();
        if judge(own.as_ref().map(|own| own.version), Some(*version)) != Verdict::Adopt {
            return None;
        }
        let opened = self.inner.seal.open(*id, *version, sealed);
        let known = opened.filter(|one| entries::entry_of(&one.name).as_ref() == Some(&one.name));
        let Some(Opened { name, content }) = known else {
            self.leave_unread(*id, *version);
            return None;
        };
        self.seen = self.seen.max(*version);
        let here = match entries::read(&self.inner.folder, &name) {
            Ok(here) => here,
            Err(error) => {
                self.failed.note(*id, &error.to_string());
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
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.leave_unread(*id, *version);
            }
            Err(error) => self.failed.note(*id, &format!("{name}: {error}")),
        }
        None
    }

    /// Remembers what cannot be taken, so that it is not fetched again, and says it once.
    fn leave_unread(&mut self, id: Id, version: Stamp) {
        if !std::mem::replace(&mut self.has_unread, true) {
            log::warn!(
                "fleet: the engine's entry {id} is damaged, or of a later version of caddy: it is \
                 not taken. Others like it are not logged"
            );
        }
        if self.unread.len() < UNREAD {
            self.unread.insert(id, version);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{life, seal};
    use super::*;

    #[test]
    fn what_cannot_be_stored_is_taken_later() {
        let dir = tempfile::tempdir().unwrap();
        let mut life = life(dir.path());
        // A file that is no folder, and a folder that cannot be made.
        std::fs::write(dir.path().join("ocsp"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("advice")).unwrap();
        for name in ["ocsp/a-1", "advice/1-7"] {
            let id = seal().id(name);
            let sealed = seal().close(name, Some(b"x"), 7).unwrap();
            let sealed = Sealed { id, version: 7, sealed };
            for _ in 0..2 {
                assert_eq!(life.adopt(&sealed), None);
                assert_eq!(life.failed.again(), [id], "{name}");
            }
        }
    }
}
