//! The targets of `log` and `errors`. Directives use the traits; `run` implements them.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use chrono::Local;

use crate::limits::{LOG_ROLL_AGE, LOG_ROLL_KEEP, LOG_ROLL_MB};

/// Writes lines (without their line feed) without blocking.
pub trait Sink: Send + Sync {
    fn write_line(&self, line: &str);

    /// Takes a line of the errors log that stands beside lines of the process log, and looks like
    /// them.
    fn write_event(&self, event: Event, line: &str) {
        self.write_line(&dated(event, line));
    }
}

/// The line with its time, as the process log has it.
pub fn dated(event: Event, line: &str) -> String {
    format!("{} [{}] {line}", Local::now().format("%Y/%m/%d %H:%M:%S"), event.word())
}

/// What a line of the errors log tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A request failed.
    Error,
    /// Something that is no failure of the request.
    Notice,
}

impl Event {
    /// As it stands in the line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Notice => "NOTICE",
        }
    }
}

/// The error log of a site, or the process log if it has none.
#[derive(Clone)]
pub struct ErrorLog {
    site: Arc<str>,
    to: To,
}

#[derive(Clone)]
enum To {
    Process,
    /// Standard output or error, with lines in the form of the process log.
    Stream(Arc<dyn Sink>),
    File(Arc<dyn Sink>),
}

/// The prefix of a line in the error log.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// 0: none, or not known.
    pub status: u16,
    pub method: &'a str,
    pub path: &'a str,
    /// Stands after the text.
    pub request_id: Option<&'a str>,
}

impl ErrorLog {
    /// The log of `errors`.
    pub fn new(site: Arc<str>, target: &SinkTarget, sink: Arc<dyn Sink>) -> Self {
        let to = match target {
            SinkTarget::Stdout | SinkTarget::Stderr => To::Stream(sink),
            SinkTarget::Syslog(_) | SinkTarget::File { .. } => To::File(sink),
        };
        Self { site, to }
    }

    /// The process log, for a site without `errors`.
    pub fn process(site: Arc<str>) -> Self {
        Self { site, to: To::Process }
    }

    /// Writes a line, with control characters replaced. Files have the format of Caddy 1.0.
    pub fn write(&self, about: About<'_>, text: &str) {
        self.line(Event::Error, about, text);
    }

    /// As [`Self::write`], with the level NOTICE.
    pub fn notice(&self, about: About<'_>, text: &str) {
        self.line(Event::Notice, about, text);
    }

    fn line(&self, event: Event, about: About<'_>, text: &str) {
        let About { status, path, request_id, .. } = about;
        let named = request_id.map(|id| format!("{text} (request {id})"));
        let text = named.as_deref().unwrap_or(text);
        let plain = |line: String| line.replace(char::is_control, " ");
        match &self.to {
            To::File(sink) => {
                let now = Local::now().format("%d/%b/%Y:%H:%M:%S %z");
                let line = plain(format!("[{} {status} {path}] {text}", event.word()));
                sink.write_line(&format!("{now} {line}"));
            }
            To::Stream(sink) => sink.write_event(event, &plain(self.told(about, text))),
            // Client errors need no attention of the operator.
            To::Process if (400..500).contains(&status) => {
                log::info!("{}", plain(self.told(about, text)));
            }
            To::Process => log::error!("{}", plain(self.told(about, text))),
        }
    }

    /// `SITE: STATUS METHOD PATH: TEXT`.
    fn told(&self, About { status, method, path, .. }: About<'_>, text: &str) -> String {
        let status = if status == 0 { String::new() } else { format!("{status} ") };
        let gap = if method.is_empty() { "" } else { " " };
        format!("{}: {status}{method}{gap}{path}: {text}", self.site)
    }
}

impl Default for ErrorLog {
    fn default() -> Self {
        Self::process("the site".into())
    }
}

impl fmt::Debug for ErrorLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ErrorLog").field(&self.site).finish()
    }
}

/// Opens sinks. A check of the configuration (`-validate`) uses one that opens nothing.
pub trait OpenSink: Send + Sync {
    fn open(&self, target: &SinkTarget) -> io::Result<Arc<dyn Sink>>;
}

/// The target of a log in the Caddyfile.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SinkTarget {
    Stdout,
    Stderr,
    /// Local syslog, or `syslog://host:port`, `syslog+tcp://host:port`.
    Syslog(Option<String>),
    File {
        path: std::path::PathBuf,
        roll: Roll,
    },
}

impl SinkTarget {
    /// Parses `stdout`, `stderr`, `syslog`, `syslog://…` or a file name. An empty text, as from an
    /// unset environment variable, is `stderr`.
    pub fn parse(text: &str, roll: Roll) -> Self {
        match text {
            "stdout" => Self::Stdout,
            "" | "stderr" => Self::Stderr,
            "syslog" => Self::Syslog(None),
            // A scheme that nobody knows is refused where it is opened, and makes no folder.
            url if url.contains("://") || url.starts_with("syslog+") => {
                Self::Syslog(Some(url.to_owned()))
            }
            path => Self::File { path: path.into(), roll },
        }
    }
}

/// When a log file is rotated, and which rotated files are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Roll {
    /// Maximum size of a file in bytes; `None`: no rotation.
    pub size: Option<u64>,
    /// Age at which rotated files are removed; zero: never.
    pub age: Duration,
    /// Number of rotated files that are kept; 0: all.
    pub keep: usize,
    pub compress: bool,
}

impl Default for Roll {
    /// The default of Caddy 1.0.
    fn default() -> Self {
        Self {
            size: Some(u64::from(LOG_ROLL_MB) << 20),
            age: LOG_ROLL_AGE,
            keep: LOG_ROLL_KEEP,
            compress: false,
        }
    }
}

impl Roll {
    /// The initial value for a block in the syntax of 0.9: only the size is limited.
    pub fn of_0_9() -> Self {
        Self { age: Duration::ZERO, keep: 0, ..Self::default() }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// For what opens none.
    pub(crate) struct NoSinks;

    impl OpenSink for NoSinks {
        fn open(&self, _: &SinkTarget) -> io::Result<Arc<dyn Sink>> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// Takes every line, and keeps none.
    pub(crate) struct AnySink;

    impl Sink for AnySink {
        fn write_line(&self, _: &str) {}
    }

    impl OpenSink for AnySink {
        fn open(&self, _: &SinkTarget) -> io::Result<Arc<dyn Sink>> {
            Ok(Arc::new(Self))
        }
    }
}
