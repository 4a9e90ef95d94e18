//! What parts of the program have of a fleet that know nothing of its engine: secrets that all
//! machines make alike of `-fleet-key`, and what they tell each other as they go.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use aws_lc_rs::hmac;

/// Of one process.
pub struct Common {
    secrets: hmac::Key,
    tellers: Mutex<Vec<Named>>,
    pages: Mutex<Vec<Weak<dyn Pages>>>,
}

/// Who tells, by a name that is the same on all machines. Another form of what is told needs
/// another name: machines of other versions do not know it, and leave it alone.
#[derive(Clone)]
pub struct Named {
    pub name: &'static str,
    pub teller: Arc<dyn Teller>,
}

/// What a machine tells all others again and again. Messages may be lost, and none comes twice.
pub trait Teller: Send + Sync {
    /// What there is to tell, for so many machines as listened last, this one among them; `None`
    /// costs nothing.
    fn tell(&self, listeners: usize) -> Option<Vec<u8>>;
    /// What another machine has told.
    fn hear(&self, told: &[u8]);
    /// The engine was away: what could not be told is forgotten.
    fn begin(&self);
}

/// What each machine keeps at the engine for the others to read. It is on shelves, each with a page
/// of each machine, and is looked after every few minutes.
pub trait Pages: Send + Sync {
    /// What is to be written and read; `first`: on a new connection.
    fn turns(&self, first: bool) -> Vec<Turn>;
    /// The pages of a shelf, this machine's among them.
    fn read(&self, number: u32, pages: Vec<Page>);
}

/// What is to be done about one shelf.
#[derive(Debug)]
pub struct Turn {
    /// Its name, the same on all machines. Another form of its pages needs another name.
    pub shelf: String,
    /// What the owner calls it.
    pub number: u32,
    /// Of this machine's page.
    pub machine: String,
    pub page: Option<Vec<u8>>,
    /// A page that is there stays as it is.
    pub is_kept: bool,
    pub is_read: bool,
    /// How long the engine keeps the shelf.
    pub kept: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub machine: String,
    pub content: Vec<u8>,
}

impl Common {
    pub fn new(secrets: hmac::Key) -> Self {
        Self { secrets, tellers: Mutex::default(), pages: Mutex::default() }
    }

    /// A secret for one purpose.
    pub fn secret(&self, purpose: &str) -> [u8; 32] {
        let tag = hmac::sign(&self.secrets, purpose.as_bytes());
        let mut secret = [0; 32];
        secret.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        secret
    }

    /// Has this one told and heard, unless one of its name is.
    pub fn add(&self, name: &'static str, teller: impl FnOnce() -> Arc<dyn Teller>) {
        let mut tellers = self.locked();
        if !tellers.iter().any(|known| known.name == name) {
            tellers.push(Named { name, teller: teller() });
        }
    }

    /// Has these pages looked after as long as somebody else has them.
    pub fn keep(&self, pages: Weak<dyn Pages>) {
        let mut all = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.strong_count() > 0 && !known.ptr_eq(&pages));
        all.push(pages);
    }

    pub fn pages(&self) -> Vec<Arc<dyn Pages>> {
        let all = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).collect()
    }

    pub fn tellers(&self) -> Vec<Named> {
        self.locked().clone()
    }

    pub fn has_tellers(&self) -> bool {
        !self.locked().is_empty()
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Named>> {
        self.tellers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.locked().iter().map(|known| known.name).collect();
        f.debug_tuple("Common").field(&names).finish()
    }
}
