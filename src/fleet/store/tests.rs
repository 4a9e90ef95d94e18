//! For tests: what a machine knows whose engine does not answer.

use std::path::Path;

use super::super::place::Place;
use super::thread::Life;
use super::*;

pub(super) fn seal() -> Seal {
    Seal::new(&[1; 32]).unwrap()
}

/// The storage of a machine whose files are below `folder`.
pub(super) fn shared(folder: &Path) -> Shared {
    let engine = Engine::new(Place::parse("redis://127.0.0.1").unwrap(), String::new());
    Shared::new(Folder::new(folder.to_owned()), engine, seal())
}

/// The thread of such a machine.
pub(super) fn life(folder: &Path) -> Life {
    let Shared(inner) = shared(folder);
    let inbox = locked(&inner.inbox).take().unwrap();
    Life::new(inner, inbox)
}
