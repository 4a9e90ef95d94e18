//! What this floor reads of what strangers write.

use super::proxy_protocol;
use crate::fuzzing::Target;

/// The targets of this floor.
pub const TARGETS: &[Target] = proxy_protocol::fuzzing::TARGETS;

#[cfg(test)]
#[test]
fn promises_hold_for_any_bytes() {
    crate::fuzzing::hold(TARGETS, 1000);
}
