//! What parts of the program have of a fleet that know nothing of its engine: secrets that all
//! machines make alike of `-fleet-key`, and what they tell each other as they go.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::hmac;

/// Of one process.
pub struct Common {
    secrets: hmac::Key,
    tellers: Mutex<Vec<Named>>,
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

impl Common {
    pub fn new(secrets: hmac::Key) -> Self {
        Self { secrets, tellers: Mutex::default() }
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
