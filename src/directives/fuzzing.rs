//! The targets of the directives that read what a client or an upstream writes.

use super::{fastcgi, files, markdown, proxy};
use crate::fuzzing::Target;

/// The targets of this floor.
pub fn targets() -> Vec<Target> {
    [
        fastcgi::fuzzing::TARGETS,
        files::fuzzing::TARGETS,
        markdown::fuzzing::TARGETS,
        proxy::fuzzing::TARGETS,
    ]
    .concat()
}

#[cfg(test)]
#[test]
fn promises_hold_for_any_bytes() {
    crate::fuzzing::hold(&targets(), 1000);
}
