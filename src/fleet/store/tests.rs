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

#[test]
fn a_lock_is_handed_out_only_while_its_grant_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(dir.path());
    let set = |state: State| {
        let hold = Hold { state, asked: Instant::now() };
        locked(&shared.0.holds).insert("a".to_owned(), hold);
    };
    let is_held = || shared.try_lock("a").unwrap().is_some();
    let now = Instant::now();
    let later = now + Duration::from_secs(60);
    for (state, expected) in
        [(State::Wanted, false), (State::Granted(now), false), (State::Granted(later), true)]
    {
        set(state);
        assert_eq!(is_held(), expected, "{state:?}");
    }
    // Lost, or taken by another machine.
    set(State::Granted(later));
    shared.0.granted("a", Some(later));
    shared.0.granted("a", None);
    assert!(!is_held());
    // The engine grants it again, but what it covers is not read yet.
    shared.0.granted("a", Some(later));
    assert!(!is_held());
    // It is in use: who has it gives it back.
    set(State::Used);
    shared.0.granted("a", None);
    assert_eq!(locked(&shared.0.holds)["a"].state, State::Used);
}
