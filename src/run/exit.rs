//! The exit codes of the process.

/// Normal stop.
pub(super) const OK: u8 = 0;
/// The configuration or the start failed.
pub(super) const FAILED: u8 = 1;
/// A second signal cut the drain short.
pub(super) const FORCED: u8 = 2;
/// A command of `on shutdown` failed.
pub(super) const SHUTDOWN_FAILED: u8 = 4;
