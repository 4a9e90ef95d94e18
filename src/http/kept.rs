//! Values that handlers attach to a client connection. They are dropped with it.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;

use http::HeaderValue;

/// A few values of any types. They stay on the worker of the connection.
#[derive(Default)]
pub struct Kept {
    things: RefCell<Vec<Box<dyn Any>>>,
    /// The client's address and the local port as field values, created once.
    pub(super) address: OnceCell<HeaderValue>,
    pub(super) local_port: OnceCell<HeaderValue>,
    /// Shared by all clients of a connection.
    elsewhere: Rc<Cell<bool>>,
}

impl Kept {
    /// For another client of the same connection.
    pub(super) fn of_another(&self) -> Self {
        Self { elsewhere: self.elsewhere.clone(), ..Self::default() }
    }

    /// Sets whether the current request waits for another server. Such a request is cancelled when
    /// the client disconnects; others run to their end.
    pub fn set_elsewhere(&self, elsewhere: bool) {
        self.elsewhere.set(elsewhere);
    }

    pub fn is_elsewhere(&self) -> bool {
        self.elsewhere.get()
    }

    pub fn is_empty(&self) -> bool {
        self.things.borrow().is_empty()
    }

    pub fn put<T: Any>(&self, thing: T) {
        self.things.borrow_mut().push(Box::new(thing));
    }

    /// Removes and returns the first of this type that `wanted` accepts.
    pub fn take<T: Any>(&self, wanted: impl Fn(&T) -> bool) -> Option<T> {
        let mut things = self.things.borrow_mut();
        let at = things.iter().position(|thing| thing.downcast_ref().is_some_and(&wanted))?;
        things.swap_remove(at).downcast().ok().map(|thing| *thing)
    }

    /// Whether there is one of this type that `wanted` accepts.
    pub fn any<T: Any>(&self, wanted: impl Fn(&T) -> bool) -> bool {
        self.things.borrow().iter().any(|thing| thing.downcast_ref().is_some_and(&wanted))
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
