//! Variables of the environment that hold credentials of the server itself: neither templates nor
//! commands get one that was read here.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// What the environment says of the nameserver of `dns rfc2136`: withheld whether it is read or
/// not.
pub const RFC2136: [&str; 5] = [
    "RFC2136_NAMESERVER",
    "RFC2136_TSIG_KEY",
    "RFC2136_TSIG_SECRET",
    "RFC2136_TSIG_ALGORITHM",
    "RFC2136_PROPAGATION_TIMEOUT",
];

/// The names of the others that were read.
static READ: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The value of a variable, which is withheld from now on; `None` where it is unset or empty.
pub fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    withhold(name);
    Some(value)
}

/// Withholds a variable.
pub fn withhold(name: &str) {
    READ.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
}

/// The names of all that are withheld.
pub fn withheld() -> BTreeSet<String> {
    let read = READ.lock().unwrap_or_else(PoisonError::into_inner).clone();
    read.into_iter().chain(RFC2136.map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_withheld() {
        assert!(variable("NO_SUCH_VARIABLE_OF_A_TEST").is_none());
        assert!(!withheld().contains("NO_SUCH_VARIABLE_OF_A_TEST"));
        assert!(!withheld().contains("CARGO_MANIFEST_DIR"));
        assert!(variable("CARGO_MANIFEST_DIR").is_some());
        assert!(withheld().contains("CARGO_MANIFEST_DIR"));
        assert!(withheld().contains("RFC2136_TSIG_SECRET"));
    }
}
