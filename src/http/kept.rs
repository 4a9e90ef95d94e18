//! What handlers keep with a client's connection. It ends with the connection.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use http::HeaderValue;

/// Things of any kind, few of them. The lock is never waited for: a connection stays on its worker.
#[derive(Default)]
pub struct Kept {
    some: AtomicBool,
    things: Mutex<Vec<Box<dyn Any + Send>>>,
    /// What its requests say of it, written once.
    pub(super) address: OnceLock<HeaderValue>,
    pub(super) local_port: OnceLock<HeaderValue>,
    /// The same for all clients that one connection carries.
    elsewhere: Arc<AtomicBool>,
}

impl Kept {
    /// Of another client that the same connection carries.
    pub(super) fn of_another(&self) -> Self {
        Self { elsewhere: self.elsewhere.clone(), ..Self::default() }
    }

    /// Says whether the request under way waits for another server, which is told at once when
    /// the client goes away. What is done here is soon done and is done to its end.
    pub fn set_elsewhere(&self, elsewhere: bool) {
        self.elsewhere.store(elsewhere, Ordering::Relaxed);
    }

    pub fn is_elsewhere(&self) -> bool {
        self.elsewhere.load(Ordering::Relaxed)
    }

    /// Whether nothing is here, asked without the lock.
    pub fn is_empty(&self) -> bool {
        !self.some.load(Ordering::Relaxed)
    }

    pub fn put<T: Any + Send>(&self, thing: T) {
        self.things().push(Box::new(thing));
        self.some.store(true, Ordering::Relaxed);
    }

    /// Takes one that is wanted.
    pub fn take<T: Any>(&self, wanted: impl Fn(&T) -> bool) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let mut things = self.things();
        let at = things.iter().position(|thing| thing.downcast_ref().is_some_and(&wanted))?;
        let thing = things.swap_remove(at).downcast().ok();
        self.some.store(!things.is_empty(), Ordering::Relaxed);
        thing.map(|thing| *thing)
    }

    /// Whether one is wanted.
    pub fn any<T: Any>(&self, wanted: impl Fn(&T) -> bool) -> bool {
        self.things().iter().any(|thing| thing.downcast_ref().is_some_and(&wanted))
    }

    fn things(&self) -> MutexGuard<'_, Vec<Box<dyn Any + Send>>> {
        self.things.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("is_empty", &self.is_empty()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_found_by_kind_and_wish() {
        let kept = Kept::default();
        kept.put(1_u8);
        kept.put(2_u8);
        kept.put("text");
        assert!(kept.any(|n: &u8| *n == 2) && !kept.any(|n: &u16| *n == 2));
        assert_eq!(kept.take(|n: &u8| *n > 1), Some(2));
        assert_eq!(kept.take(|n: &u8| *n > 1), None);
        assert_eq!((kept.take(|_: &&str| true), kept.take(|_: &u8| true)), (Some("text"), Some(1)));
        assert!(kept.is_empty());
    }
}
