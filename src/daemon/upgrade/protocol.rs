//! The messages between the two processes.

/// The environment variable with the pid of the predecessor, checked against the parent process as
/// LISTEN_PID is: a process that merely inherits it has another parent.
pub(super) const MARK: &str = "CADDY_UPGRADE_OF";

/// The texts of the messages.
pub(super) const READY: &str = "ready";
pub(super) const FAILED: &str = "failed";
pub(super) const GO: &str = "go";
