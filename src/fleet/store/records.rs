//! What this machine knows of each entry that it shares: the version of its copy and the hash of
//! that version's content. A copy of another hash was changed without the engine.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};

use super::super::Stamp;
use super::super::seal::Id;
use crate::hex::hex;
use crate::tls::{Folder, Storage as _};

const FILE: &str = "fleet/records";
const LOCK: &str = "fleet-records";
/// In place of a hash: the entry is removed.
const REMOVED: &str = "-";

/// The time between two writes of the file, which is whole each time. An entry whose record is
/// lost, or older than its file, is compared anew.
const SAVED: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Records {
    known: HashMap<Id, Record>,
    is_changed: bool,
    saved: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) version: Stamp,
    /// `None` if the entry is removed.
    pub(super) hash: Option<String>,
}

impl Records {
    /// Lines that cannot be read are of entries that are compared anew.
    pub(super) fn read(folder: &Folder) -> Self {
        let bytes = folder.read(FILE).ok().flatten().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        Self { known: text.lines().filter_map(parse).collect(), is_changed: false, saved: None }
    }

    /// As [`Self::save`], if the last time is long ago.
    pub(super) fn save_in_time(&mut self, folder: &Folder) {
        if self.saved.is_none_or(|saved| saved.elapsed() >= SAVED) {
            self.save(folder);
        }
    }

    /// Stores what has changed. What cannot be stored now is stored with the next change.
    pub(super) fn save(&mut self, folder: &Folder) {
        if !self.is_changed {
            return;
        }
        let mut text = String::new();
        for (id, Record { name, version, hash }) in &self.known {
            let hash = hash.as_deref().unwrap_or(REMOVED);
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{id} {version} {hash} {name}");
        }
        // Another process of this machine may store its own, during an upgrade.
        let Ok(Some(_lock)) = folder.try_lock(LOCK) else { return };
        match folder.write(FILE, text.as_bytes()) {
            Ok(()) => (self.is_changed, self.saved) = (false, Some(Instant::now())),
            Err(error) => log::warn!("fleet: {error}"),
        }
    }

    pub(super) fn get(&self, id: Id) -> Option<&Record> {
        self.known.get(&id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (Id, &Record)> {
        self.known.iter().map(|(id, record)| (*id, record))
    }

    pub(super) fn forget(&mut self, id: Id) {
        self.is_changed |= self.known.remove(&id).is_some();
    }

    pub(super) fn set(&mut self, id: Id, record: Record) {
        self.known.insert(id, record);
        self.is_changed = true;
    }
}

pub(super) fn hash(content: Option<&[u8]>) -> Option<String> {
    let hash = digest(&SHA256, content?);
    Some(hex(hash.as_ref()))
}

fn parse(line: &str) -> Option<(Id, Record)> {
    let mut words = line.splitn(4, ' ');
    let id = Id::parse(words.next()?)?;
    let version = words.next()?.parse().ok()?;
    let hash = words.next().map(str::to_owned)?;
    let name = words.next()?.to_owned();
    Some((id, Record { name, version, hash: (hash != REMOVED).then_some(hash) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::fleet::seal::Seal;

    #[test]
    fn they_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().to_owned());
        let seal = Seal::new(&[1; 32]).unwrap();
        let mut records = Records::read(&folder);
        let names = ["acme/ca/users/me me@x/me.key", "ocsp/a"];
        let record =
            |name: &str, content| Record { name: name.to_owned(), version: 7, hash: hash(content) };
        records.set(seal.id(names[0]), record(names[0], Some(b"x")));
        records.set(seal.id(names[1]), record(names[1], None));
        records.save(&folder);
        let again = Records::read(&folder);
        for (name, content) in [(names[0], Some(b"x".as_slice())), (names[1], None)] {
            assert_eq!(again.get(seal.id(name)), Some(&record(name, content)));
        }
        // Once a minute.
        records.set(seal.id("ocsp/b"), record("ocsp/b", None));
        records.save_in_time(&folder);
        assert_eq!(Records::read(&folder).all().count(), 2);
        records.saved = records.saved.and_then(|saved| saved.checked_sub(SAVED));
        records.save_in_time(&folder);
        assert_eq!(Records::read(&folder).all().count(), 3);
        folder.write(FILE, b"junk\n\n1 2 3\n").unwrap();
        assert_eq!(Records::read(&folder).all().count(), 0);
    }
}
