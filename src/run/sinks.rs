//! Where directives' lines go: the daemon's writers behind the trait that directives see. A
//! target opened twice is one writer, also across reloads, so that two rollers never share a
//! file.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::daemon::logfile::{self, LogFile};
use crate::daemon::syslog::{Facility, Severity, Syslog};
use crate::http::sink::{OpenSink, Sink, SinkTarget};

/// Mode of an access or error log file.
const LOG_MODE: u32 = 0o644;

/// Writers in use, by target.
#[derive(Default)]
pub(super) struct Sinks {
    open: Mutex<HashMap<SinkTarget, Arc<Writer>>>,
}

impl Sinks {
    /// Opens every file anew by its name, after a rotation from outside.
    pub(super) fn reopen(&self) {
        self.each(LogFile::reopen);
    }

    /// Waits until what was written is on its way to the disk.
    pub(super) fn flush(&self) {
        self.each(LogFile::flush);
    }

    fn each(&self, act: impl Fn(&LogFile)) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for writer in open.values() {
            if let Writer::File(file) = &**writer {
                act(file);
            }
        }
    }
}

impl OpenSink for Sinks {
    fn open(&self, target: &SinkTarget) -> io::Result<Arc<dyn Sink>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Only those that a configuration in force still holds are worth keeping.
        open.retain(|_, writer| Arc::strong_count(writer) > 1);
        if let Some(writer) = open.get(target) {
            return Ok(writer.clone());
        }
        let writer = Arc::new(Writer::open(target)?);
        open.insert(target.clone(), writer.clone());
        Ok(writer)
    }
}

enum Writer {
    Stdout,
    Stderr,
    Syslog(Syslog),
    File(LogFile),
}

impl Writer {
    fn open(target: &SinkTarget) -> io::Result<Self> {
        Ok(match target {
            SinkTarget::Stdout => Self::Stdout,
            SinkTarget::Stderr => Self::Stderr,
            SinkTarget::Syslog(None) => Self::Syslog(Syslog::local(Facility::Local0)?),
            SinkTarget::Syslog(Some(url)) => Self::Syslog(Syslog::remote(url, Facility::Local0)?),
            SinkTarget::File { path, roll } => {
                let roll = logfile::Roll {
                    size: roll.size,
                    age: roll.age,
                    keep: roll.keep,
                    compress: roll.compress,
                };
                Self::File(LogFile::open(path, roll, LOG_MODE)?)
            }
        })
    }
}

impl Sink for Writer {
    fn write_line(&self, line: &str) {
        use std::io::Write as _;
        match self {
            // A closed terminal must not stop a request.
            Self::Stdout => drop(writeln!(io::stdout(), "{line}")),
            Self::Stderr => drop(writeln!(io::stderr(), "{line}")),
            Self::Syslog(syslog) => syslog.write_line(Severity::Info, line),
            Self::File(file) => file.write_line(line),
        }
    }
}

/// Opens nothing: for a check of the configuration.
pub(super) struct NoSinks;

impl OpenSink for NoSinks {
    fn open(&self, _: &SinkTarget) -> io::Result<Arc<dyn Sink>> {
        Ok(Arc::new(Nothing))
    }
}

struct Nothing;

impl Sink for Nothing {
    fn write_line(&self, _: &str) {}
}
