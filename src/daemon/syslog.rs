//! Syslog: the local one (/dev/log) or a remote one over UDP or TCP.
//!
//! The `syslog` crate sends the lines, on one thread with a bounded queue, because its writes
//! block. It neither reconnects nor supports local time, so the connection and the header (RFC
//! 3164 locally, RFC 5424 remotely) are made here.

use std::io::{self, BufWriter, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{Local, SecondsFormat};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use syslog::{LogFormat, Logger, LoggerBackend};

use super::queue::{BatchSink, Lost, Queue};
use super::record::{Layout, Severity};
use crate::limits::{SYSLOG_BYTES, SYSLOG_TIMEOUT};
use crate::machine;
use crate::net::dial;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The facility of a stream of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facility {
    /// Access and error logs of sites.
    Local0,
    /// The process log.
    Daemon,
}

/// A stream of lines to one syslog. Dropping it flushes.
pub struct Syslog {
    queue: Queue<Vec<(Severity, String)>>,
}

impl Syslog {
    /// The local syslog. It need not run yet: lines that cannot be sent are counted.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn local(facility: Facility) -> io::Result<Self> {
        Self::start(Address::Local(None), facility)
    }

    /// The machine's syslog on a socket of the test's.
    ///
    /// # Errors
    /// The thread cannot be started.
    #[cfg(test)]
    fn local_at(socket: impl Into<PathBuf>, facility: Facility) -> io::Result<Self> {
        Self::start(Address::Local(Some(socket.into())), facility)
    }

    /// A remote syslog: `syslog://host:port` and `syslog+udp://…` by UDP, `syslog+tcp://…` by
    /// TCP with one line per message (RFC 6587 section 3.4.2); the port is 514 if left out.
    ///
    /// # Errors
    /// The address is none of these, or the thread cannot be started.
    pub fn remote(url: &str, facility: Facility) -> io::Result<Self> {
        Self::start(parse(url)?, facility)
    }

    /// Checks an address for [`Self::remote`].
    ///
    /// # Errors
    /// The address is invalid.
    pub fn check(url: &str) -> io::Result<()> {
        parse(url).map(drop)
    }

    /// Queues one line. Never blocks.
    pub fn write_line(&self, severity: Severity, line: &str) {
        self.queue.push((severity, line.to_owned()));
    }

    /// Waits until the queued lines are sent, for at most 5 s.
    pub fn flush(&self) {
        self.queue.flush();
    }

    fn start(address: Address, facility: Facility) -> io::Result<Self> {
        let sender = Sender {
            header: Header::new(&address, facility),
            address,
            logger: None,
            retry: Instant::now(),
            pause: FIRST_PAUSE,
        };
        Ok(Self { queue: Queue::start("syslog", sender)? })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Address {
    Local(Option<PathBuf>),
    Udp(String),
    Tcp(String),
}

fn parse(url: &str) -> io::Result<Address> {
    address(url).ok_or_else(|| {
        let text = format!("'{url}' is not a syslog address: write syslog[+udp|+tcp]://HOST:PORT");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })
}

fn address(url: &str) -> Option<Address> {
    let (scheme, host) = url.split_once("://")?;
    let host = host.strip_suffix('/').unwrap_or(host);
    let port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
    let name = match host.rsplit_once(':') {
        Some((name, text)) if !text.ends_with(']') => port(text).then_some(name)?,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let bracketed = name.starts_with('[') && name.ends_with(']');
    if bare.is_empty() || name.contains(['/', '@', ' ']) || (name.contains(':') && !bracketed) {
        return None;
    }
    let host = if name == host { format!("{host}:514") } else { host.to_owned() };
    match scheme {
        "syslog" | "syslog+udp" => Some(Address::Udp(host)),
        "syslog+tcp" => Some(Address::Tcp(host)),
        _ => None,
    }
}

/// Formats the header of a message, for the `syslog` crate.
#[derive(Clone)]
struct Header {
    facility: Facility,
    /// The host name of this machine, for remote servers only.
    host: Option<String>,
    /// The end of a message: over TCP a line feed.
    end: &'static str,
}

impl Header {
    fn new(address: &Address, facility: Facility) -> Self {
        let host = Some(machine::name()).filter(|name| !name.is_empty());
        let host = host.unwrap_or_else(|| "-".to_owned());
        let (host, end) = match address {
            Address::Local(_) => (None, ""),
            Address::Udp(_) => (Some(host), ""),
            Address::Tcp(_) => (Some(host), "\n"),
        };
        Self { facility, host, end }
    }
}

impl LogFormat<&str> for Header {
    fn format<W: Write>(
        &self,
        w: &mut W,
        severity: syslog::Severity,
        message: &str,
    ) -> syslog::Result<()> {
        let facility = match self.facility {
            Facility::Local0 => syslog::Facility::LOG_LOCAL0,
            Facility::Daemon => syslog::Facility::LOG_DAEMON,
        };
        let priority = facility as u8 | severity as u8;
        let (now, pid, end) = (Local::now(), std::process::id(), self.end);
        // One write is one datagram.
        match &self.host {
            None => {
                let time = now.format("%b %e %H:%M:%S");
                write!(w, "<{priority}>{time} caddy[{pid}]: {message}{end}")
            }
            Some(host) => {
                let time = now.to_rfc3339_opts(SecondsFormat::Micros, true);
                write!(w, "<{priority}>1 {time} {host} caddy {pid} - - {message}{end}")
            }
        }
        .map_err(syslog::Error::Write)
    }
}

struct Sender {
    address: Address,
    header: Header,
    logger: Option<Logger<LoggerBackend, Header>>,
    /// The earliest time of the next attempt to connect.
    retry: Instant,
    pause: Duration,
}

impl BatchSink<Vec<(Severity, String)>> for Sender {
    fn write(&mut self, batch: &mut Vec<(Severity, String)>, lost: &Lost) {
        for (severity, line) in batch.drain(..) {
            let missing = lost.take();
            let report = || Layout::of(&line).lost_line(missing);
            if missing > 0 && !self.send(Severity::Warning, report().trim_end()) {
                lost.put_back(missing);
            }
            if !self.send(severity, &line) {
                lost.add(1);
            }
        }
    }
}

impl Sender {
    /// Returns whether the line was sent. A broken connection is reopened at once, then with
    /// exponential backoff.
    fn send(&mut self, severity: Severity, line: &str) -> bool {
        let line = fit(line);
        if self.logger.as_ref().is_some_and(is_closed) {
            self.logger = None;
        }
        let had_one = self.logger.is_some();
        if self.try_send(severity, &line) {
            return true;
        }
        had_one && self.try_send(severity, &line)
    }

    fn try_send(&mut self, severity: Severity, line: &str) -> bool {
        if self.logger.is_none() && Instant::now() >= self.retry {
            match connect(&self.address, self.header.clone()) {
                Ok(logger) => self.logger = Some(logger),
                Err(_) => self.back_off(),
            }
        }
        let Some(logger) = &mut self.logger else { return false };
        if send_to(logger, severity, line).is_ok() {
            self.pause = FIRST_PAUSE;
            return true;
        }
        self.logger = None;
        false
    }

    fn back_off(&mut self) {
        self.retry = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

fn send_to(
    logger: &mut Logger<LoggerBackend, Header>,
    severity: Severity,
    line: &str,
) -> syslog::Result<()> {
    match severity {
        Severity::Error => logger.err(line),
        Severity::Warning => logger.warning(line),
        Severity::Info => logger.info(line),
        Severity::Debug => logger.debug(line),
    }
}

fn connect(address: &Address, header: Header) -> syslog::Result<Logger<LoggerBackend, Header>> {
    match address {
        Address::Local(None) => syslog::unix(header),
        Address::Local(Some(path)) => syslog::unix_custom(header, path),
        Address::Udp(host) => {
            let server = resolve(host)?;
            let socket = UdpSocket::bind(if server.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" })?;
            Ok(Logger::new(LoggerBackend::Udp(socket, server), header))
        }
        Address::Tcp(host) => {
            let stream = dial::blocking(host, SYSLOG_TIMEOUT)?;
            stream.set_write_timeout(Some(SYSLOG_TIMEOUT))?;
            Ok(Logger::new(LoggerBackend::Tcp(BufWriter::new(stream)), header))
        }
    }
}

fn resolve(host: &str) -> io::Result<SocketAddr> {
    let none = || io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
    dial::resolve_blocking(host)?.into_iter().next().ok_or_else(none)
}

/// Whether the TCP server has closed the connection. Without this check the first line after that
/// would be lost without an error.
fn is_closed(logger: &Logger<LoggerBackend, Header>) -> bool {
    let LoggerBackend::Tcp(stream) = &logger.backend else { return false };
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    match recv(stream.get_ref().as_raw_fd(), &mut [0], flags) {
        Ok(0) => true,
        Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => false,
        Err(_) => true,
    }
}

/// Truncates the line to [`SYSLOG_BYTES`] bytes and removes line ends, which would begin another
/// message.
fn fit(line: &str) -> String {
    let end = line.floor_char_boundary(SYSLOG_BYTES);
    line.get(..end).unwrap_or(line).trim_end().replace(['\r', '\n', '\0'], " ")
}

#[cfg(test)]
mod tests;
