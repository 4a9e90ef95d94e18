//! The state of a file, by which its content is cached.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// A file that changed less than this ago may change again within the same tick of the file
/// system's clock, which would be undetectable: it is not cached.
const SETTLED: Duration = Duration::from_secs(1);

/// Identifies a state of a file. It includes the kernel's time of the last change (ctime), which
/// cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    device: u64,
    inode: u64,
    pub size: u64,
    modified: Timestamp,
    changed: Timestamp,
}

impl State {
    pub fn of(about: &Metadata) -> Self {
        Self {
            device: about.dev(),
            inode: about.ino(),
            size: about.size(),
            modified: Timestamp { seconds: about.mtime(), nanos: about.mtime_nsec() },
            changed: Timestamp { seconds: about.ctime(), nanos: about.ctime_nsec() },
        }
    }

    /// Whether any later change is detectable.
    pub fn is_settled(&self) -> bool {
        let age = self.changed.system_time().map(|changed| changed.elapsed());
        matches!(age, Some(Ok(age)) if age >= SETTLED)
    }

    /// The time of the last change of the content; `None` before 1970.
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified.system_time()
    }
}

/// Since 1970-01-01T00:00:00Z, as in `stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timestamp {
    seconds: i64,
    nanos: i64,
}

impl Timestamp {
    /// `None` before 1970.
    fn system_time(self) -> Option<SystemTime> {
        let age = Duration::new(self.seconds.try_into().ok()?, self.nanos.try_into().ok()?);
        SystemTime::UNIX_EPOCH.checked_add(age)
    }
}
