//! The configuration in force, and the attempts to change it.

use std::collections::VecDeque;

use chrono::{DateTime, Local};

use crate::limits::CHANGES_KEPT;

/// The configuration in force.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// As messages name it.
    pub file: String,
    pub sites: usize,
    pub loaded: DateTime<Local>,
}

impl Configuration {
    /// It is in force from now on.
    pub fn new(file: &str, sites: usize) -> Self {
        Self { file: file.to_owned(), sites, loaded: Local::now() }
    }
}

/// What was to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Reload,
    Upgrade,
}

impl Change {
    pub fn name(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Upgrade => "upgrade",
        }
    }
}

/// A reload, or an upgrade that failed: one that succeeds is the end of its process.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub change: Change,
    pub at: DateTime<Local>,
    /// The signal, or the control socket.
    pub by: String,
    /// On one line.
    pub error: Option<String>,
}

impl Attempt {
    fn now(change: Change, by: &str, error: Option<&str>) -> Self {
        let error = error.map(|error| error.lines().collect::<Vec<_>>().join("; "));
        Self { change, at: Local::now(), by: by.to_owned(), error }
    }

    pub fn result(&self) -> String {
        self.error.as_ref().map_or_else(|| "done".to_owned(), |why| format!("failed: {why}"))
    }
}

/// How many attempts ended in each way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    pub succeeded: u64,
    pub failed: u64,
}

/// The attempts since the start of the process.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    recent: VecDeque<Attempt>,
    pub last_reload: Option<Attempt>,
    /// The last upgrade, if it failed and no reload has succeeded since.
    pub last_failed_upgrade: Option<Attempt>,
    pub reloads: Outcomes,
    pub failed_upgrades: u64,
}

impl Changes {
    pub fn reloaded(&mut self, by: &str, error: Option<&str>) {
        match error {
            None => {
                self.reloads.succeeded += 1;
                self.last_failed_upgrade = None;
            }
            Some(_) => self.reloads.failed += 1,
        }
        let attempt = Attempt::now(Change::Reload, by, error);
        self.last_reload = Some(attempt.clone());
        self.keep(attempt);
    }

    pub fn upgrade_failed(&mut self, by: &str, error: &str) {
        self.failed_upgrades += 1;
        let attempt = Attempt::now(Change::Upgrade, by, Some(error));
        self.last_failed_upgrade = Some(attempt.clone());
        self.keep(attempt);
    }

    fn keep(&mut self, attempt: Attempt) {
        self.recent.push_back(attempt);
        if self.recent.len() > CHANGES_KEPT {
            self.recent.pop_front();
        }
    }

    /// The latest ones, the last one first.
    pub fn recent(&self) -> impl Iterator<Item = &Attempt> {
        self.recent.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_that_succeeds_ends_the_report_of_a_failed_upgrade() {
        let mut changes = Changes::default();
        changes.upgrade_failed("SIGUSR2", "no\nsuch file");
        changes.reloaded("SIGUSR1", Some("bad"));
        let failed = changes.last_failed_upgrade.as_ref().and_then(|one| one.error.as_deref());
        assert_eq!(failed, Some("no; such file"));
        assert_eq!(changes.last_reload.as_ref().unwrap().error.as_deref(), Some("bad"));
        changes.reloaded("SIGUSR1", None);
        assert!(changes.last_failed_upgrade.is_none());
        assert_eq!(changes.last_reload.as_ref().unwrap().error, None);
        assert_eq!(changes.reloads, Outcomes { succeeded: 1, failed: 1 });
        changes.upgrade_failed("SIGUSR2", "again");
        assert!(changes.last_failed_upgrade.is_some());
    }

    #[test]
    fn the_history_is_bounded() {
        let mut changes = Changes::default();
        (0..CHANGES_KEPT + 5).for_each(|n| changes.reloaded(&n.to_string(), None));
        assert_eq!(changes.recent().count(), CHANGES_KEPT);
        assert_eq!(changes.recent().next().unwrap().by, (CHANGES_KEPT + 4).to_string());
        assert_eq!(changes.reloads.succeeded, CHANGES_KEPT as u64 + 5);
    }
}
