//! The wall clock of a process, wrong by as much as the test says: `wrong_clock.c`.

use std::path::Path;
use std::process::Command;

use chrono::{DateTime, Utc};

use super::{Answer, Setup};

/// In seconds.
pub const YEAR: i64 = 365 * 24 * 3600;

/// Can be set while the process runs.
pub struct WrongClock {
    dir: tempfile::TempDir,
}

impl WrongClock {
    /// So many seconds ahead of the right time.
    pub fn new(ahead: i64) -> Self {
        let clock = Self { dir: tempfile::tempdir().unwrap() };
        clock.set(ahead);
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        let source = source.join("tests/integration/harness/wrong_clock.c");
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&clock.dir.path().join("clock.so"), &source])
            .status();
        assert!(made.unwrap().success(), "cc");
        clock
    }

    pub fn set(&self, ahead: i64) {
        let fresh = self.dir.path().join("new");
        std::fs::write(&fresh, ahead.to_string()).unwrap();
        std::fs::rename(fresh, self.dir.path().join("ahead")).unwrap();
    }

    /// Variables of a process that is to have it.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        vec![("LD_PRELOAD", path("clock.so")), ("CLOCK_AHEAD", path("ahead"))]
    }

    /// Asserts that a response is of a server that has it, by when it says that it was made.
    pub fn check(&self, answer: &Answer) {
        let said = std::fs::read_to_string(self.dir.path().join("ahead")).unwrap();
        let ahead: i64 = said.parse().unwrap();
        let date = DateTime::parse_from_rfc2822(answer.header("date")).unwrap();
        let found = date.signed_duration_since(Utc::now()).num_seconds();
        assert!((ahead - 60..ahead + 60).contains(&found), "{found} s ahead, not {ahead}");
    }

    /// A server that has it.
    pub fn of(&self, setup: Setup) -> Setup {
        self.env().iter().fold(setup, |setup, (name, value)| setup.env(name, value))
    }
}
