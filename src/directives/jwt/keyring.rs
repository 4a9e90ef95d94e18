//! The keys of a block: from the environment, from files that may change, and from sets that other
//! servers publish.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tokio::time::sleep;

use super::keyset::{self, KeySet};
use crate::limits::JWT_KEY_CHECK;
use crate::site::{SiteBuilder, Task};
use crate::tokens::Key;
use crate::upstream::keep_resolved;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Secret,
    Public,
    Set,
}

#[derive(Default)]
pub(super) struct Keyring {
    pub(super) fixed: Vec<Arc<Key>>,
    pub(super) files: Vec<Arc<KeyFile>>,
    pub(super) sets: Vec<Arc<KeySet>>,
}

/// Keys as they are now.
pub(super) enum Now {
    One(Arc<Key>),
    Many(Arc<Vec<Key>>),
}

impl Now {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Key> {
        match self {
            Self::One(key) => std::slice::from_ref(&**key).iter(),
            Self::Many(keys) => keys.iter(),
        }
    }
}

impl Keyring {
    pub(super) fn is_empty(&self) -> bool {
        self.fixed.is_empty() && self.files.is_empty() && self.sets.is_empty()
    }

    /// Whether it has secrets, and whether it has public keys.
    pub(super) fn kinds(&self) -> [bool; 2] {
        let secret = self.fixed.iter().any(|key| key.is_secret())
            || self.files.iter().any(|file| file.kind == Kind::Secret);
        let public = self.fixed.iter().any(|key| !key.is_secret())
            || self.files.iter().any(|file| file.kind != Kind::Secret)
            || !self.sets.is_empty();
        [secret, public]
    }

    /// Has the files and sets kept up to date, and the files never served.
    pub(super) fn start(&self, site: &mut SiteBuilder) {
        for file in &self.files {
            site.hidden.push(file.path.clone());
            let file = file.clone();
            site.tasks.push(Task::new(move || file.keep()));
        }
        for set in &self.sets {
            if let Some(name) = set.named() {
                site.tasks.push(Task::new(move || keep_resolved(vec![name])));
            }
            let set = set.clone();
            site.tasks.push(Task::new(move || set.keep()));
        }
    }

    /// Waits for the first answer of every set, good or bad.
    pub(super) async fn ready(&self) {
        for set in &self.sets {
            set.ready().await;
        }
    }

    pub(super) fn now(&self) -> Vec<Now> {
        let fixed = self.fixed.iter().cloned().map(Now::One);
        let files = self.files.iter().map(|file| Now::Many(file.keys.load_full()));
        let sets = self.sets.iter().map(|set| Now::Many(set.keys()));
        fixed.chain(files).chain(sets).collect()
    }

    /// No key verified a token: a set may have a new one.
    pub(super) fn refresh(&self) {
        self.sets.iter().for_each(|set| set.refresh());
    }
}

/// A file with keys.
pub(super) struct KeyFile {
    path: PathBuf,
    kind: Kind,
    keys: ArcSwap<Vec<Key>>,
    /// When the file that was read was changed; `None`: there was none.
    seen: Mutex<Option<SystemTime>>,
}

/// Why a file gives no keys.
pub(super) enum Unusable {
    /// It cannot be read, which may change.
    Absent(String),
    Wrong(String),
}

impl KeyFile {
    pub(super) fn new(path: &str, kind: Kind) -> Self {
        Self { path: path.into(), kind, keys: ArcSwap::default(), seen: Mutex::default() }
    }

    /// Reads the file.
    pub(super) fn read(&self) -> Result<(), Unusable> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = self.changed();
        let shown = self.path.display();
        let bytes = std::fs::read(&self.path).map_err(|error| {
            self.keys.store(Arc::default());
            Unusable::Absent(format!("cannot read {shown}: {error}"))
        })?;
        let keys = match self.kind {
            // An editor ends the last line.
            Kind::Secret => Key::secret(trimmed(&bytes)).map(|key| vec![key]),
            Kind::Public => Key::from_pem(&bytes),
            Kind::Set => keyset::parse(&bytes),
        };
        let keys = keys.map_err(|why| Unusable::Wrong(format!("{shown}: {why}")))?;
        self.keys.store(Arc::new(keys));
        Ok(())
    }

    fn changed(&self) -> Option<SystemTime> {
        std::fs::metadata(&self.path).and_then(|about| about.modified()).ok()
    }

    /// Reads it whenever it has changed, while it is polled.
    async fn keep(self: Arc<Self>) {
        loop {
            sleep(JWT_KEY_CHECK).await;
            let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if self.changed() == seen {
                continue;
            }
            match self.read() {
                Ok(()) => log::info!("jwt: {} has changed and is used", self.path.display()),
                Err(Unusable::Absent(why)) => log::warn!("jwt: {why}; its keys are not used"),
                Err(Unusable::Wrong(why)) => log::warn!("jwt: {why}; the last keys are used"),
            }
        }
    }
}

fn trimmed(secret: &[u8]) -> &[u8] {
    let line = secret.strip_suffix(b"\n").unwrap_or(secret);
    line.strip_suffix(b"\r").unwrap_or(line)
}
