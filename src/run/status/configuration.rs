//! The configuration in the status, and the results of attempts to change it.

use chrono::{DateTime, Local};

/// The configuration in force, and how the last attempt to change it ended.
#[derive(Debug, Clone)]
pub(in crate::run) struct Configuration {
    pub(super) file: String,
    pub(super) sites: usize,
    pub(super) loaded: DateTime<Local>,
    pub(super) reload: Option<Attempt>,
    pub(super) upgrade: Option<Attempt>,
}

/// A reload or an upgrade.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) at: DateTime<Local>,
    /// The signal, or the control socket.
    pub(super) by: String,
    /// On one line.
    pub(super) error: Option<String>,
}

impl Configuration {
    /// It is in force from now on. `file` is as messages name it.
    pub(in crate::run) fn new(file: &str, sites: usize) -> Self {
        let (file, loaded) = (file.to_owned(), Local::now());
        Self { file, sites, loaded, reload: None, upgrade: None }
    }
}

impl Attempt {
    pub(super) fn now(by: &str, error: Option<&str>) -> Option<Self> {
        let error = error.map(|error| error.lines().collect::<Vec<_>>().join("; "));
        Some(Self { at: Local::now(), by: by.to_owned(), error })
    }
}
