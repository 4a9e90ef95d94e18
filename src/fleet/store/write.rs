//! What this machine writes: entries that have changed here, and those that the engine has lost.

use std::collections::HashMap;

use super::super::Stamp;
use super::super::copies::{Verdict, judge};
use super::super::engine::{Change, Link, Outcome, Put, Trouble};
use super::super::seal::Id;
use super::exchange::BATCH;
use super::expiry::is_over;
use super::records::{Record, hash};
use super::thread::Life;
use crate::tls::acme::entries;

/// An entry that is to be written.
struct Draft {
    id: Id,
    record: Record,
    before: Option<Stamp>,
    sealed: Vec<u8>,
    lease: String,
    fence: Option<Stamp>,
    is_restored: bool,
    is_told: bool,
}

impl Draft {
    fn put(&self) -> Put<'_> {
        Put {
            id: self.id,
            before: self.before,
            version: self.record.version,
            sealed: &self.sealed,
            lease: &self.lease,
            fence: self.fence,
            is_restored: self.is_restored,
            is_told: self.is_told,
        }
    }
}

impl Life {
    /// Writes again what the engine has lost.
    pub(super) async fn restore(
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
        for batch in lost.chunks(BATCH) {
            let drafts: Vec<_> =
                batch.iter().filter_map(|(id, record)| self.copy(*id, record)).collect();
            let puts: Vec<_> = drafts.iter().map(Draft::put).collect();
            for outcome in link.put_all(&puts).await? {
                if let Outcome::Written(change) = outcome {
                    self.made(change);
                    count += 1;
                }
            }
            self.between(link, true).await?;
        }
        if count > 0 {
            log::warn!("fleet: {} had lost {count} entries; they are written again", link.place);
        }
        Ok(())
    }

    /// The copy of this machine, unless it has changed or is over.
    fn copy(&self, id: Id, record: &Record) -> Option<Draft> {
        let content = entries::read(&self.inner.folder, &record.name).ok().flatten();
        let is_changed = hash(content.as_deref()) != record.hash;
        if is_changed || is_over(record, content.as_deref(), self.time()) {
            return None;
        }
        let sealed = self.inner.seal.close(&record.name, content.as_deref(), record.version)?;
        Some(Draft {
            id,
            record: record.clone(),
            before: None,
            sealed,
            lease: self.lease_of(&record.name),
            fence: None,
            is_restored: true,
            is_told: entries::is_challenge_answer(&record.name),
        })
    }

    fn lease_of(&self, name: &str) -> String {
        self.inner.seal.id(&entries::lock_of(name)).to_string()
    }

    /// Writes an entry that has changed here.
    pub(super) async fn push(&mut self, link: &mut Link, name: &str) -> Result<(), Trouble> {
        let draft = self.draft(name);
        self.write_drafts(link, draft.into_iter().collect()).await
    }

    /// Writes those of many entries that have changed here.
    pub(super) async fn push_all(
        &mut self,
        link: &mut Link,
        names: &[String],
    ) -> Result<(), Trouble> {
        let mut drafts = Vec::new();
        for names in names.chunks(BATCH) {
            drafts.extend(names.iter().filter_map(|name| self.draft(name)));
            if drafts.len() >= BATCH {
                self.write_drafts(link, std::mem::take(&mut drafts)).await?;
            }
            self.between(link, true).await?;
        }
        self.write_drafts(link, drafts).await
    }

    /// What is to be written of an entry, if it has changed here.
    fn draft(&mut self, name: &str) -> Option<Draft> {
        let id = self.inner.seal.id(name);
        let content = match entries::read(&self.inner.folder, name) {
            Ok(content) => content,
            Err(error) => {
                self.unwritten.insert(name.to_owned());
                self.failed.say(id, &error.to_string());
                return None;
            }
        };
        let known = self.records.get(id);
        let (before, known_hash) =
            (known.map(|one| one.version), known.and_then(|one| one.hash.clone()));
        if content.is_some() {
            self.removed.remove(name);
        }
        let is_removed = self.removed.contains(name) || entries::is_transient(name);
        let new = hash(content.as_deref());
        if new == known_hash {
            // The engine has nothing to remove.
            self.removed.remove(name);
            return None;
        }
        if content.is_none() && !is_removed {
            return None;
        }
        let now = self.now();
        let lease = self.leases.get(&entries::lock_of(name));
        let fence = lease.and_then(|lease| lease.fence(now));
        let version = self.next_version(before, fence);
        let sealed = self.inner.seal.close(name, content.as_deref(), version)?;
        let is_told = content.is_some() && entries::is_challenge_answer(name);
        if is_told {
            // It comes to this machine, too, which has it.
            self.inner.is_newest(name, version);
        }
        let record = Record { name: name.to_owned(), version, hash: new };
        let lease = self.lease_of(name);
        Some(Draft { id, record, before, sealed, lease, fence, is_restored: false, is_told })
    }

    async fn write_drafts(&mut self, link: &mut Link, drafts: Vec<Draft>) -> Result<(), Trouble> {
        let puts: Vec<_> = drafts.iter().map(Draft::put).collect();
        let outcomes = link.put_all(&puts).await?;
        for (mut draft, outcome) in drafts.into_iter().zip(outcomes) {
            let outcome = put_at_last(link, &mut draft, outcome).await?;
            let name = draft.record.name.clone();
            if draft.is_told && !matches!(outcome, Outcome::Written(_)) {
                self.inner.forget_early(&name);
            }
            match outcome {
                Outcome::Written(change) => self.wrote(draft, change),
                Outcome::Fenced => drop(self.unwritten.insert(name)),
                Outcome::Other(_) => self.meet(link, draft.id, &name).await?,
            }
        }
        Ok(())
    }

    /// Notes what the engine has taken.
    fn wrote(&mut self, draft: Draft, change: Change) {
        let Draft { id, record, .. } = draft;
        self.seen = self.seen.max(record.version);
        self.removed.remove(&record.name);
        if record.hash.is_none() {
            self.inner.forget_early(&record.name);
        }
        self.records.set(id, record);
        self.made(change);
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

/// Writes an entry again, where the engine has lost what the write went by.
async fn put_at_last(
    link: &mut Link,
    draft: &mut Draft,
    first: Outcome,
) -> Result<Outcome, Trouble> {
    let mut outcome = first;
    if outcome == Outcome::Fenced && draft.fence.is_some() {
        // The engine may have lost the lease: then nobody else has it.
        draft.fence = None;
        outcome = link.put(&draft.put()).await?;
    }
    if let Outcome::Other(have) = outcome
        && have < draft.before
    {
        // The engine has lost what this machine replaces.
        draft.before = have;
        outcome = link.put(&draft.put()).await?;
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::super::tests::life;
    use super::super::{Command, locked};
    use super::*;

    #[test]
    fn what_cannot_be_read_is_written_later() {
        let dir = tempfile::tempdir().unwrap();
        // A file that is no folder.
        std::fs::write(dir.path().join("ocsp"), "").unwrap();
        let mut life = life(dir.path());
        assert!(life.draft("ocsp/a-1").is_none());
        assert!(life.unwritten.contains("ocsp/a-1"));
    }

    #[test]
    fn what_was_removed_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let mut life = life(dir.path());
        let name = "challenges/http-a";
        let write = |life: &mut Life| {
            let draft = life.draft(name).unwrap();
            let id = draft.id;
            life.wrote(draft, Change { before: String::new(), after: "1".to_owned(), id });
        };
        let removal = || Command::Changed { entry: name.to_owned(), is_removed: true };
        std::fs::create_dir(dir.path().join("challenges")).unwrap();
        std::fs::write(dir.path().join(name), "{}").unwrap();
        write(&mut life);
        // The message of the write comes to this machine, too.
        assert!(locked(&life.inner.early).contains_key(name));
        std::fs::remove_file(dir.path().join(name)).unwrap();
        life.note(removal());
        write(&mut life);
        assert!(locked(&life.inner.early).is_empty() && life.removed.is_empty());
        // What is not there is removed once more, as a `.retry` after each success.
        life.note(removal());
        assert!(life.draft(name).is_none() && life.removed.is_empty());
    }
}
