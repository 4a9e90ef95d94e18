//! What to do where the process has no file descriptor left: idle connections are closed.

use std::cell::RefCell;
use std::io;

use nix::errno::Errno;

thread_local! {
    /// What closes the idle connections of this thread.
    static POOLS: RefCell<Vec<Box<dyn Fn()>>> = const { RefCell::new(Vec::new()) };
}

/// Has `close` called whenever this thread needs a descriptor and there is none.
pub fn when_none_left(close: impl Fn() + 'static) {
    POOLS.with(|pools| pools.borrow_mut().push(Box::new(close)));
}

/// Closes all idle connections of this thread.
pub(super) fn free() {
    POOLS.with(|pools| pools.borrow().iter().for_each(|close| close()));
}

/// Whether the process, or the system, has as many files open as it may.
pub(super) fn are_exhausted(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(Errno::EMFILE as i32) || code == Some(Errno::ENFILE as i32)
}
