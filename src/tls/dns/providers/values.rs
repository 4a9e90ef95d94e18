//! The credentials of a provider.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::limits::DNS_REQUEST;

/// The time limit of a request, as the crate takes it.
pub(super) const T: Option<Duration> = Some(DNS_REQUEST);

/// The shortest value that may be a secret: what is shorter may be part of any word.
const SHORTEST: usize = 4;

/// The values of a provider's variables, in the order of its row.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Values(pub(super) Vec<Option<String>>);

impl Values {
    pub(super) fn get(&self, index: usize) -> Option<&str> {
        self.0.get(index)?.as_deref()
    }

    /// A value that the row requires; empty if it does not and it is missing.
    pub(super) fn at(&self, index: usize) -> &str {
        self.get(index).unwrap_or_default()
    }

    pub(super) fn own(&self, index: usize) -> Option<String> {
        self.get(index).map(str::to_owned)
    }

    pub(super) fn blanked(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in self.0.iter().flatten().filter(|value| value.len() >= SHORTEST) {
            let encoded = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
            text = text.replace(value, "[...]").replace(&encoded, "[...]");
        }
        text
    }
}
