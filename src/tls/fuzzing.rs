//! The targets of what reads answers about certificates.

use super::{dns, ocsp};
use crate::fuzzing::Target;

/// The targets of this floor.
pub fn targets() -> Vec<Target> {
    [dns::fuzzing::TARGETS, ocsp::fuzzing::TARGETS].concat()
}

#[cfg(test)]
#[test]
fn promises_hold_for_any_bytes() {
    crate::fuzzing::hold(&targets(), 1000);
}
