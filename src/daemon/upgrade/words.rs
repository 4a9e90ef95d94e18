//! What the two processes say to each other.

/// Names the process to succeed, as LISTEN_PID does for passed sockets: whoever inherits it from
/// there on has another parent.
pub(super) const MARK: &str = "CADDY_UPGRADE_OF";

/// What a process says, each in a parcel.
pub(super) const READY: &str = "ready";
pub(super) const FAILED: &str = "failed";
pub(super) const GO: &str = "go";
