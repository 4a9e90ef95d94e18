//! The exit codes of the process. Those of a configuration and of what does not run are LSB's for
//! init scripts, which systemd shows by name too.

use crate::config::LoadError;

/// Normal stop.
pub(super) const OK: u8 = 0;
/// The start failed for a reason that may pass: a busy port, a missing address.
pub(super) const FAILED: u8 = 1;
/// A second signal cut the drain short.
pub(super) const FORCED: u8 = 2;
/// A wrong flag or argument.
pub(super) const USAGE: u8 = 2;
/// `-status`: there is no service to ask (LSB: program is not running).
pub(super) const STOPPED: u8 = 3;
/// `-status`: the service does not tell (LSB: status unknown).
pub(super) const UNKNOWN: u8 = 4;
/// A command of `on shutdown` failed.
pub(super) const SHUTDOWN_FAILED: u8 = 4;
/// The configuration is bad: another try cannot help before somebody has changed it.
pub(super) const NOT_CONFIGURED: u8 = 6;
/// There is no service to ask.
pub(super) const NOT_RUNNING: u8 = 7;

/// Why something was not done, and the exit code for that.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) text: String,
    pub(super) code: u8,
    /// The same for a log, a line for each error.
    pub(super) lines: Vec<String>,
}

impl Failure {
    /// Of what is configured.
    pub(super) fn configured(text: String) -> Self {
        Self { code: NOT_CONFIGURED, ..Self::from(text) }
    }
}

/// Joins an error of several lines into one.
fn on_one_line(error: &str) -> String {
    let lines: Vec<_> =
        error.lines().map(|line| line.trim().trim_start_matches("hint: ")).collect();
    lines.join("; ")
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        let lines = vec![on_one_line(&text)];
        Self { text, code: FAILED, lines }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let code = if error.may_pass() { FAILED } else { NOT_CONFIGURED };
        Self { text: error.to_string(), code, lines: error.lines() }
    }
}
