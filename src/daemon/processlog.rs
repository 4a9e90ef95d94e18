//! The process log (`-log`): writes the records of the `log` crate, one line each, to the target
//! on the command line. Control characters are escaped, so that no record can forge a line.

use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::console::{Console, Stream};
use super::logfile::{LogFile, Roll};
use super::owned::open_as;
use super::privileges::User;
use super::record::{self, Layout, Severity};
use super::syslog::{Facility, Syslog};
use crate::limits::{LOG_ROLL_AGE, LOG_ROLL_KEEP, SYSLOG_BYTES};

/// The module whose INFO records are shown even without `-log`: a first certificate takes time.
const PROGRESS: &str = "caddy::tls::acme";
/// Mode of the file.
const MODE: u32 = 0o600;

/// The target of the process log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// No `-log`: warnings and errors go to standard error.
    Unsaid,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, which is rotated.
    File(PathBuf),
    /// The machine's syslog, facility daemon.
    Syslog,
    /// `syslog://`, `syslog+udp://` or `syslog+tcp://` with host and port.
    RemoteSyslog(String),
}

/// Parses the value of `-log`; empty is [`Target::Unsaid`], unknown words are file names.
#[must_use]
pub fn parse_target(text: &str) -> Target {
    match text {
        "" => Target::Unsaid,
        "stdout" => Target::Stdout,
        "stderr" => Target::Stderr,
        "syslog" => Target::Syslog,
        // A scheme that nobody knows is refused where it is opened, and makes no folder.
        _ if text.contains("://") || text.starts_with("syslog+") => {
            Target::RemoteSyslog(text.to_owned())
        }
        _ => Target::File(text.into()),
    }
}

/// The settings of the process log from the command line.
pub struct Style {
    pub target: Target,
    /// Size in MB at which a file is rotated; 0: never.
    pub roll_mb: u32,
    /// Whether rotated files are compressed with gzip.
    pub compress: bool,
    /// Whether lines have date and time; syslog and the journal add their own to text.
    pub timestamps: bool,
    pub layout: Layout,
}

impl Style {
    /// The number and age of kept files are fixed.
    fn roll(&self) -> Roll {
        let size = Some(u64::from(self.roll_mb) << 20).filter(|size| *size > 0);
        Roll { size, age: LOG_ROLL_AGE, keep: LOG_ROLL_KEEP, compress: self.compress }
    }
}

/// Opens the target as the process log, once per process; a file is opened for `user`. Starts a
/// thread, so it must follow the fork.
///
/// # Errors
/// The target cannot be opened, or the process log is already open.
pub fn install(style: &Style, user: Option<&User>) -> io::Result<()> {
    let taken = |_| io::Error::new(io::ErrorKind::AlreadyExists, "the process log is already open");
    let log = ProcessLog::open(style, user)?;
    LOG.set(log).map_err(|_| taken(()))?;
    let Some(log) = LOG.get() else { return Ok(()) };
    log::set_logger(log).map_err(|_| taken(()))?;
    log::set_max_level(LevelFilter::Info);
    Ok(())
}

/// Checks the target without opening it.
///
/// # Errors
/// The address of a remote syslog is invalid.
pub fn check(target: &Target) -> Result<(), String> {
    match target {
        Target::RemoteSyslog(url) => {
            Syslog::check(url).map_err(|error| format!("process log {url}: {error}"))
        }
        _ => Ok(()),
    }
}

/// Reopens the log file, after logrotate has moved it.
pub fn reopen() {
    if let Some(ProcessLog { sink: Sink::File(file), .. }) = LOG.get() {
        file.reopen();
    }
}

/// Waits until all records are written, for at most 5 s.
pub fn flush() {
    if let Some(log) = LOG.get() {
        log.flush();
    }
}

/// The form of its lines.
pub fn layout() -> Layout {
    LOG.get().map_or_else(Layout::default, |log| log.layout)
}

static LOG: OnceLock<ProcessLog> = OnceLock::new();

struct ProcessLog {
    sink: Sink,
    timestamps: bool,
    layout: Layout,
    /// Write only warnings, errors and the progress of certificates.
    brief: bool,
}

enum Sink {
    Console(Console),
    File(LogFile),
    Syslog(Syslog),
}

impl ProcessLog {
    fn open(style: &Style, user: Option<&User>) -> io::Result<Self> {
        let sink = match &style.target {
            Target::Stdout => Sink::Console(Console::open(Stream::Out)?),
            Target::Unsaid | Target::Stderr => Sink::Console(Console::open(Stream::Err)?),
            Target::File(path) => {
                let open = || LogFile::open_process_log(path, style.roll(), MODE, complain);
                Sink::File(open_as(user, path, MODE, open)?)
            }
            Target::Syslog => Sink::Syslog(Syslog::local(Facility::Daemon)?),
            Target::RemoteSyslog(url) => Sink::Syslog(Syslog::remote(url, Facility::Daemon)?),
        };
        let brief = style.target == Target::Unsaid;
        Ok(Self { sink, timestamps: style.timestamps, layout: style.layout, brief })
    }
}

impl Log for ProcessLog {
    /// Of other crates, only warnings and errors.
    fn enabled(&self, meta: &Metadata<'_>) -> bool {
        let own = meta.target().split("::").next() == Some("caddy");
        let is_told = own && (!self.brief || meta.target().starts_with(PROGRESS));
        is_told || meta.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let severity = severity(record.level());
        let text = record.args().to_string();
        let is_json = self.layout == Layout::Json;
        match &self.sink {
            Sink::Console(console) => {
                // What reads an object out of the journal sees no other time.
                let dated = self.timestamps && (is_json || !console.is_journal());
                console.write_line(severity, &self.layout.line(dated, severity, &text));
            }
            Sink::File(file) => {
                file.write_line(&self.layout.line(self.timestamps, severity, &text));
            }
            Sink::Syslog(syslog) if is_json => {
                let dated = self.timestamps;
                let line = self.layout.line_within(SYSLOG_BYTES, dated, severity, &text);
                syslog.write_line(severity, &line);
            }
            Sink::Syslog(syslog) => syslog.write_line(severity, &record::escaped(&text)),
        }
    }

    fn flush(&self) {
        match &self.sink {
            Sink::File(file) => file.flush(),
            Sink::Syslog(syslog) => syslog.flush(),
            Sink::Console(console) => console.flush(),
        }
    }
}

/// What is wrong with the file of the process log, which may not be able to tell of it.
fn complain(text: &str) {
    static SYSLOG: OnceLock<Option<Syslog>> = OnceLock::new();
    log::warn!("{text}");
    if let Some(syslog) = SYSLOG.get_or_init(|| Syslog::local(Facility::Daemon).ok()) {
        syslog.write_line(Severity::Warning, text);
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Error => Severity::Error,
        Level::Warn => Severity::Warning,
        Level::Info => Severity::Info,
        Level::Debug | Level::Trace => Severity::Debug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (text, want) in [
            ("", Target::Unsaid),
            ("stdout", Target::Stdout),
            ("stderr", Target::Stderr),
            ("syslog", Target::Syslog),
            ("/var/log/caddy.log", Target::File("/var/log/caddy.log".into())),
            ("syslog://h:514", Target::RemoteSyslog("syslog://h:514".into())),
            ("syslog+tcp://h:1", Target::RemoteSyslog("syslog+tcp://h:1".into())),
        ] {
            assert_eq!(parse_target(text), want, "{text}");
        }
    }

    #[test]
    fn without_a_place_only_what_needs_attention_is_told() {
        let open = |text: &str| {
            let target = parse_target(text);
            let style = Style {
                target,
                roll_mb: 1,
                compress: false,
                timestamps: true,
                layout: Layout::Text,
            };
            ProcessLog::open(&style, None).expect("open")
        };
        for (level, target, brief, whole) in [
            (Level::Error, "caddy::run", true, true),
            (Level::Warn, "hyper", true, true),
            (Level::Info, "caddy::run", false, true),
            (Level::Info, "caddy::tls::acme::obtain", true, true),
            (Level::Info, "hyper", false, false),
        ] {
            let meta = Metadata::builder().level(level).target(target).build();
            let enabled = (open("").enabled(&meta), open("stderr").enabled(&meta));
            assert_eq!(enabled, (brief, whole), "{level} {target}");
        }
    }

    #[test]
    fn records_reach_the_file() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("sub/caddy.log");
        let target = Target::File(path.clone());
        let style =
            Style { target, roll_mb: 1, compress: false, timestamps: true, layout: Layout::Text };
        let log = ProcessLog::open(&style, None).expect("open");
        for (level, target, text) in [
            (Level::Error, "caddy::run", "one\ntwo"),
            (Level::Warn, "hyper", "three"),
            (Level::Info, "hyper", "dropped"),
            (Level::Info, "caddy", "four"),
        ] {
            let record = |args| Record::builder().level(level).target(target).args(args).build();
            log.log(&record(format_args!("{text}")));
        }
        log.flush();
        let written = std::fs::read_to_string(&path).expect("read");
        let texts: Vec<&str> = written.lines().map(|line| &line[20..]).collect();
        assert_eq!(texts, ["[ERROR] one\\ntwo", "[WARNING] three", "[INFO] four"]);
        let date = &written[..20];
        assert!(chrono::NaiveDateTime::parse_from_str(date, "%Y/%m/%d %H:%M:%S ").is_ok());
        let mode = std::os::unix::fs::MetadataExt::mode(&path.metadata().expect("meta"));
        assert_eq!(mode & 0o777, 0o600);
    }
}
