//! Frees file descriptors when none is available, by closing idle connections.

use std::cell::RefCell;
use std::io;

use nix::errno::Errno;

thread_local! {
    /// Functions that close the idle connections of this thread.
    static POOLS: RefCell<Vec<Box<dyn Fn()>>> = const { RefCell::new(Vec::new()) };
}

/// Registers a function that is called whenever this thread needs a descriptor and none is
/// available.
pub fn when_none_left(close: impl Fn() + 'static) {
    POOLS.with(|pools| pools.borrow_mut().push(Box::new(close)));
}

/// Closes all idle connections of this thread.
pub(super) fn free() {
    POOLS.with(|pools| pools.borrow().iter().for_each(|close| close()));
}

/// Whether the limit of open files of the process or the system has been reached.
pub(super) fn are_exhausted(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(Errno::EMFILE as i32) || code == Some(Errno::ENFILE as i32)
}
