//! The log sinks of directives: implements their trait with the writers of `daemon`. All users of
//! a target share one writer, also across reloads, so that a file is never rotated twice.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::daemon::console::{Console, Stream};
use crate::daemon::logfile::{self, LogFile};
use crate::daemon::owned::open_as;
use crate::daemon::privileges::User;
use crate::daemon::processlog;
use crate::daemon::record::{Layout, Severity};
use crate::daemon::syslog::{Facility, Syslog};
use crate::http::sink::{Event, OpenSink, Sink, SinkTarget, dated};

/// Mode of an access or error log file.
const LOG_MODE: u32 = 0o644;

/// Writers in use, by target.
pub(super) struct Sinks {
    open: Mutex<HashMap<SinkTarget, Arc<Writer>>>,
    /// The owner of new files.
    user: Option<User>,
}

impl Sinks {
    pub(super) fn of(user: Option<User>) -> Self {
        Self { open: Mutex::default(), user }
    }

    /// Reopens every file, after an external rotation.
    pub(super) fn reopen(&self) {
        for writer in self.writers() {
            if let Writer::File(file) = &*writer {
                file.reopen();
            }
        }
    }

    /// Flushes all writers.
    pub(super) fn flush(&self) {
        for writer in self.writers() {
            match &*writer {
                Writer::File(file) => file.flush(),
                Writer::Syslog(syslog) => syslog.flush(),
                Writer::Console(console) => console.flush(),
            }
        }
    }

    fn writers(&self) -> Vec<Arc<Writer>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().cloned().collect()
    }
}

impl OpenSink for Sinks {
    fn open(&self, target: &SinkTarget) -> io::Result<Arc<dyn Sink>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Drops the writers that no configuration uses.
        open.retain(|_, writer| Arc::strong_count(writer) > 1);
        if let Some(writer) = open.get(target) {
            return Ok(writer.clone());
        }
        let writer = Arc::new(Writer::open(target, self.user.as_ref())?);
        open.insert(target.clone(), writer.clone());
        Ok(writer)
    }
}

enum Writer {
    Console(Console),
    Syslog(Syslog),
    File(LogFile),
}

impl Writer {
    fn open(target: &SinkTarget, user: Option<&User>) -> io::Result<Self> {
        Ok(match target {
            SinkTarget::Stdout => Self::Console(Console::open(Stream::Out)?),
            SinkTarget::Stderr => Self::Console(Console::open(Stream::Err)?),
            SinkTarget::Syslog(None) => Self::Syslog(Syslog::local(Facility::Local0)?),
            SinkTarget::Syslog(Some(url)) => Self::Syslog(Syslog::remote(url, Facility::Local0)?),
            SinkTarget::File { path, roll } => {
                let roll = logfile::Roll {
                    size: roll.size,
                    age: roll.age,
                    keep: roll.keep,
                    compress: roll.compress,
                };
                let open = || LogFile::open(path, roll.clone(), LOG_MODE);
                Self::File(open_as(user, path, LOG_MODE, open)?)
            }
        })
    }
}

impl Sink for Writer {
    fn write_line(&self, line: &str) {
        match self {
            Self::Console(console) => console.write_line(Severity::Info, line),
            Self::Syslog(syslog) => syslog.write_line(Severity::Info, line),
            Self::File(file) => file.write_line(line),
        }
    }

    fn write_event(&self, event: Event, line: &str) {
        let severity = match event {
            Event::Error => Severity::Error,
            Event::Notice => Severity::Info,
        };
        match self {
            Self::Console(console) if processlog::layout() == Layout::Json => {
                console.write_line(severity, &Layout::Json.line(true, severity, line));
            }
            Self::Console(console) if console.is_journal() => {
                console.write_line(severity, &format!("[{}] {line}", event.word()));
            }
            _ => self.write_line(&dated(event, line)),
        }
    }
}

/// Checks targets without opening or creating anything, for `-validate`. It does not check whether
/// the user of the service may write them.
pub(super) struct NoSinks;

impl OpenSink for NoSinks {
    fn open(&self, target: &SinkTarget) -> io::Result<Arc<dyn Sink>> {
        match target {
            SinkTarget::Syslog(Some(url)) => Syslog::check(url)?,
            SinkTarget::File { path, .. } => check_file(path)?,
            SinkTarget::Stdout | SinkTarget::Stderr | SinkTarget::Syslog(None) => {}
        }
        Ok(Arc::new(Nothing))
    }
}

fn check_file(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    match path.ancestors().skip(1).find(|above| above.exists()) {
        Some(above) if !above.is_dir() => Err(io::ErrorKind::NotADirectory.into()),
        _ => Ok(()),
    }
}

struct Nothing;

impl Sink for Nothing {
    fn write_line(&self, _: &str) {}
}
