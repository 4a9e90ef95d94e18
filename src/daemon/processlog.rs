//! The process log (`-log`): the receiver of the `log` crate's records, one line per record, to
//! where the command line says. Control characters are escaped, so no record forges a line.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::console::{Console, Stream};
use super::logfile::{LogFile, Roll};
use super::owned::open_as;
use super::privileges::User;
use super::syslog::{Facility, Severity, Syslog};
use crate::limits::{LOG_ROLL_AGE, LOG_ROLL_KEEP};

/// Whose records are told even where nobody asked for a log: a first certificate takes its time.
const PROGRESS: &str = "caddy::tls::acme";
/// Mode of the file.
const MODE: u32 = 0o600;

/// Where the process log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nobody said where: what needs attention goes to standard error.
    Unsaid,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, which is rolled.
    File(PathBuf),
    /// The machine's syslog, facility daemon.
    Syslog,
    /// `syslog://`, `syslog+udp://` or `syslog+tcp://` with host and port.
    RemoteSyslog(String),
}

/// Reads the value of `-log`; empty is [`Target::Unsaid`], other words are file names.
#[must_use]
pub fn parse_target(text: &str) -> Target {
    match text {
        "" => Target::Unsaid,
        "stdout" => Target::Stdout,
        "stderr" => Target::Stderr,
        "syslog" => Target::Syslog,
        _ if text.starts_with("syslog://") || text.starts_with("syslog+") => {
            Target::RemoteSyslog(text.to_owned())
        }
        _ => Target::File(text.into()),
    }
}

/// What the command line says about the process log.
pub struct Style {
    /// Where it goes.
    pub target: Target,
    /// Megabytes at which a file is rolled; 0 never.
    pub roll_mb: u32,
    /// Whether rolled files are gzipped.
    pub compress: bool,
    /// Whether lines begin with date and time; syslog has its own.
    pub timestamps: bool,
}

impl Style {
    /// The number of old files and their age are not for choice.
    fn roll(&self) -> Roll {
        let size = Some(u64::from(self.roll_mb) << 20).filter(|size| *size > 0);
        Roll { size, age: LOG_ROLL_AGE, keep: LOG_ROLL_KEEP, compress: self.compress }
    }
}

/// Opens the target and makes it the process log, once per process; a file as one of `user`'s.
/// Starts a thread for files and syslog, so it comes after the fork.
///
/// # Errors
/// The target cannot be opened, or there is a process log already.
pub fn install(style: &Style, user: Option<&User>) -> io::Result<()> {
    let taken = |_| io::Error::new(io::ErrorKind::AlreadyExists, "there is a process log already");
    let log = ProcessLog::open(style, user)?;
    LOG.set(log).map_err(|_| taken(()))?;
    let Some(log) = LOG.get() else { return Ok(()) };
    log::set_logger(log).map_err(|_| taken(()))?;
    log::set_max_level(LevelFilter::Info);
    Ok(())
}

/// Whether the target could be one, without opening it.
///
/// # Errors
/// A remote address that is none.
pub fn check(target: &Target) -> Result<(), String> {
    match target {
        Target::RemoteSyslog(url) => {
            Syslog::check(url).map_err(|error| format!("process log {url}: {error}"))
        }
        _ => Ok(()),
    }
}

/// Opens the log file anew, after logrotate moved it.
pub fn reopen() {
    if let Some(ProcessLog { sink: Sink::File(file), .. }) = LOG.get() {
        file.reopen();
    }
}

/// Waits until everything logged is written, for some seconds at most.
pub fn flush() {
    if let Some(log) = LOG.get() {
        log.flush();
    }
}

static LOG: OnceLock<ProcessLog> = OnceLock::new();

struct ProcessLog {
    sink: Sink,
    timestamps: bool,
    /// Only what needs attention, and what becomes of certificates from a CA.
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
                let open = || LogFile::open_utc(path, style.roll(), MODE);
                Sink::File(open_as(user, path, MODE, open)?)
            }
            Target::Syslog => Sink::Syslog(Syslog::local(Facility::Daemon)?),
            Target::RemoteSyslog(url) => Sink::Syslog(Syslog::remote(url, Facility::Daemon)?),
        };
        let brief = style.target == Target::Unsaid;
        Ok(Self { sink, timestamps: style.timestamps, brief })
    }

    fn line(&self, level: Level, text: &str) -> String {
        let word = match level {
            Level::Error => "ERROR",
            Level::Warn => "WARNING",
            Level::Info => "INFO",
            Level::Debug | Level::Trace => "DEBUG",
        };
        if self.timestamps {
            format!("{} [{word}] {text}", chrono::Local::now().format("%Y/%m/%d %H:%M:%S"))
        } else {
            format!("[{word}] {text}")
        }
    }
}

impl Log for ProcessLog {
    /// Other crates' records are only kept from warning up.
    fn enabled(&self, meta: &Metadata<'_>) -> bool {
        let own = meta.target().split("::").next() == Some("caddy");
        let is_told = own && (!self.brief || meta.target().starts_with(PROGRESS));
        is_told || meta.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = record.level();
        let text = escape(&record.args().to_string());
        match &self.sink {
            Sink::Console(console) => console.write_line(&self.line(level, &text)),
            Sink::File(file) => file.write_line(&self.line(level, &text)),
            Sink::Syslog(syslog) => syslog.write_line(severity(level), &text),
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

fn severity(level: Level) -> Severity {
    match level {
        Level::Error => Severity::Error,
        Level::Warn => Severity::Warning,
        Level::Info => Severity::Info,
        Level::Debug | Level::Trace => Severity::Debug,
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim_end_matches('\n').chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
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
    fn one_line_per_record() {
        for (text, want) in [
            ("plain ü\n", "plain ü"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\x1b[31mred\x7f", "\\u{1b}[31mred\\u{7f}"),
        ] {
            assert_eq!(escape(text), want);
        }
    }

    #[test]
    fn without_a_place_only_what_needs_attention_is_told() {
        let open = |text: &str| {
            let target = parse_target(text);
            let style = Style { target, roll_mb: 1, compress: false, timestamps: true };
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
            let told = (open("").enabled(&meta), open("stderr").enabled(&meta));
            assert_eq!(told, (brief, whole), "{level} {target}");
        }
    }

    #[test]
    fn records_reach_the_file() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("sub/caddy.log");
        let target = Target::File(path.clone());
        let style = Style { target, roll_mb: 1, compress: false, timestamps: true };
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
