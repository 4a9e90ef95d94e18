//! A random word that shows the service that a field is from the gate and not from the client.

use std::cell::Cell;

#[derive(Debug, Default)]
pub(super) struct Secret(Cell<u128>);

impl Secret {
    /// Whether the gate has used it.
    pub(super) fn is_used(&self) -> bool {
        self.0.get() != 0
    }

    /// The word for a field.
    pub(super) fn word(&self) -> String {
        if !self.is_used() {
            self.0.set(fastrand::u128(1..));
        }
        format!("{:x}", self.0.get())
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.is_used() && u128::from_str_radix(word, 16) == Ok(self.0.get())
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn known(word: u128) -> Self {
        Self(Cell::new(word))
    }
}
