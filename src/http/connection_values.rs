//! Values that handlers attach to a client connection. They are dropped with it.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;

use http::HeaderValue;

/// A few values of any types. They stay on the worker of the connection.
#[derive(Default)]
pub struct ConnectionValues {
    values: RefCell<Vec<Box<dyn Any>>>,
    /// The client's address and the local port as field values, created once.
    pub(super) address: OnceCell<HeaderValue>,
    pub(super) local_port: OnceCell<HeaderValue>,
    /// Shared by all clients of a connection.
    awaits_upstream: Rc<Cell<bool>>,
}

impl ConnectionValues {
    /// For another client of the same connection.
    pub(super) fn of_another(&self) -> Self {
        Self { awaits_upstream: self.awaits_upstream.clone(), ..Self::default() }
    }

    /// Sets whether the current request waits for another server. Such a request is cancelled when
    /// the client disconnects; others run to their end.
    pub fn set_awaits_upstream(&self, awaits_upstream: bool) {
        self.awaits_upstream.set(awaits_upstream);
    }

    pub fn awaits_upstream(&self) -> bool {
        self.awaits_upstream.get()
    }

    pub fn is_empty(&self) -> bool {
        self.values.borrow().is_empty()
    }

    pub fn put<T: Any>(&self, value: T) {
        self.values.borrow_mut().push(Box::new(value));
    }

    /// Removes and returns the first of this type that `wanted` accepts.
    pub fn take<T: Any>(&self, wanted: impl Fn(&T) -> bool) -> Option<T> {
        let mut values = self.values.borrow_mut();
        let at = values.iter().position(|value| value.downcast_ref().is_some_and(&wanted))?;
        values.swap_remove(at).downcast().ok().map(|value| *value)
    }

    /// Whether there is one of this type that `wanted` accepts.
    pub fn any<T: Any>(&self, wanted: impl Fn(&T) -> bool) -> bool {
        self.values.borrow().iter().any(|value| value.downcast_ref().is_some_and(&wanted))
    }
}

impl fmt::Debug for ConnectionValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionValues").field("is_empty", &self.is_empty()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_type_and_predicate() {
        let values = ConnectionValues::default();
        values.put(1_u8);
        values.put(2_u8);
        values.put("text");
        assert!(values.any(|n: &u8| *n == 2) && !values.any(|n: &u16| *n == 2));
        assert_eq!(values.take(|n: &u8| *n > 1), Some(2));
        assert_eq!(values.take(|n: &u8| *n > 1), None);
        assert_eq!(
            (values.take(|_: &&str| true), values.take(|_: &u8| true)),
            (Some("text"), Some(1))
        );
        assert!(values.is_empty());
    }
}
