//! Answers to challenges that come with the message of their write: this machine has them in memory
//! at once, while it may ask the engine for other things, and in a file when it comes to it.

use super::super::Stamp;
use super::super::engine::Sealed;
use super::super::seal::Opened;
use super::thread::Life;
use super::{Inner, locked};
use crate::tls::acme::entries;

impl Inner {
    /// Takes an answer that is newer than what has come before.
    pub(super) fn hear_early(&self, Sealed { id, version, sealed }: &Sealed) {
        let Some(Opened { name, content }) = self.seal.open(*id, *version, sealed) else { return };
        let Some(content) = content.filter(|_| entries::is_challenge_answer(&name)) else { return };
        if self.is_newest(&name, *version)
            && let Some(hook) = &*locked(&self.answered)
        {
            hook(&name, &content);
        }
    }

    /// Notes a version that is known before the entry itself comes; whether it is newer than all
    /// others.
    pub(super) fn is_newest(&self, name: &str, version: Stamp) -> bool {
        let mut early = locked(&self.early);
        let is_newest = early.get(name).is_none_or(|known| *known < version);
        if is_newest {
            early.insert(name.to_owned(), version);
        }
        is_newest
    }

    /// Forgets the version of what was not written, as another machine was faster, or is removed.
    pub(super) fn forget_early(&self, name: &str) {
        locked(&self.early).remove(name);
    }
}

impl Life {
    /// Calls the hook with what has come, but for that of which a newer version is known already.
    pub(super) fn tell_arrived(&mut self) {
        let mut names = std::mem::take(&mut self.arrived);
        let mut early = locked(&self.inner.early);
        names.retain(|name| {
            let own = self.records.get(self.inner.seal.id(name)).map(|record| record.version);
            let is_late = early.get(name).is_some_and(|known| Some(*known) > own);
            if !is_late {
                early.remove(name);
            }
            !is_late
        });
        drop(early);
        if !names.is_empty()
            && let Some(hook) = &*locked(&self.inner.arrived)
        {
            hook(&names);
        }
    }
}
