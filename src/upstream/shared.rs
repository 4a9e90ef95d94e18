//! State that successive configurations share, for as long as one of them uses it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Values by key. A new configuration gets the value of the previous one for the same key; a value
/// that no configuration uses is dropped.
pub struct Shared<T>(Mutex<BTreeMap<String, Weak<T>>>);

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Shared<T> {
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// The value of `key`; `make` creates it if it is not in use.
    pub fn get(&self, key: String, make: impl FnOnce() -> T) -> Arc<T> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = known.get(&key).and_then(Weak::upgrade) {
            return value;
        }
        known.retain(|_, value| value.strong_count() > 0);
        let value = Arc::new(make());
        known.insert(key, Arc::downgrade(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_outlives_a_generation_but_not_all() {
        static KNOWN: Shared<u8> = Shared::new();
        let first = KNOWN.get("a".to_owned(), || 1);
        let second = KNOWN.get("a".to_owned(), || 2);
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(*KNOWN.get("b".to_owned(), || 3), 3);
        drop((first, second));
        assert_eq!(*KNOWN.get("a".to_owned(), || 4), 4);
    }
}
