//! Values by host, with the lookup rules of sites: the name itself, then with `*` for its first
//! labels, then the catch-all site.

use std::collections::HashMap;

use super::names::patterns;

/// The hosts of a catch-all site.
const EVERY: [&str; 2] = ["0.0.0.0", ""];

#[derive(Debug)]
pub(super) struct ByHost<T>(HashMap<String, T>);

impl<T> Default for ByHost<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> ByHost<T> {
    pub(super) fn insert(&mut self, host: String, value: T) {
        self.0.insert(host, value);
    }

    /// The value for this name; the empty name is for clients without SNI.
    pub(super) fn find(&self, name: &str) -> Option<&T> {
        let every = EVERY.iter().filter_map(|host| self.0.get(*host));
        patterns(name).filter_map(|pattern| self.0.get(&pattern)).chain(every).next()
    }
}
