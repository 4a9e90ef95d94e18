//! Standard output and standard error as log sinks. They use a queue too, so that a pipe that is
//! not read does not block a thread that logs.
//!
//! If the stream is systemd's journal (JOURNAL_STREAM, systemd.exec(5)), lines begin with their
//! priority, such as `<3>` (sd-daemon(3)), and have no time, as the journal adds its own.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use super::queue::{BatchSink, Lost, Queue};
use super::record::{Layout, Severity};

/// Standard output or standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// An open stream. Dropping it flushes.
pub struct Console {
    queue: Queue<String>,
    is_journal: bool,
}

/// Where the thread writes.
struct Output {
    stream: Stream,
    is_journal: bool,
    /// That of the last lines.
    layout: Layout,
}

impl Console {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn open(stream: Stream) -> io::Result<Self> {
        let is_journal = std::env::var("JOURNAL_STREAM").is_ok_and(|name| stream.is(&name));
        let queue =
            Queue::start("log-console", Output { stream, is_journal, layout: Layout::default() })?;
        Ok(Self { queue, is_journal })
    }

    /// Whether the journal reads it, which dates its lines itself.
    #[must_use]
    pub fn is_journal(&self) -> bool {
        self.is_journal
    }

    /// Queues one line; the newline is added. Never blocks.
    pub fn write_line(&self, severity: Severity, line: &str) {
        if self.is_journal {
            // Every line: data of a client may look like a priority.
            self.queue.push(&format!("<{}>{line}", severity.number()));
        } else {
            self.queue.push(line);
        }
    }

    /// Waits until the queued lines are written, for at most 5 s.
    pub fn flush(&self) {
        self.queue.flush();
    }
}

impl Stream {
    /// Whether this is the stream of that device and inode, written with a colon between.
    fn is(self, name: &str) -> bool {
        let duplicate = match self {
            Self::Out => io::stdout().as_fd().try_clone_to_owned(),
            Self::Err => io::stderr().as_fd().try_clone_to_owned(),
        };
        let file = duplicate.and_then(|stream| File::from(stream).metadata());
        file.is_ok_and(|file| name == format!("{}:{}", file.dev(), file.ino()))
    }
}

impl BatchSink<String> for Output {
    fn write(&mut self, batch: &mut String, lost: &Lost) {
        if !batch.is_empty() {
            let priority = if self.is_journal { "<6>".len() } else { 0 };
            self.layout = Layout::of(batch.get(priority..).unwrap_or_default());
        }
        let missing = lost.take();
        if missing > 0 {
            let priority = if self.is_journal { "<4>" } else { "" };
            batch.insert_str(0, &format!("{priority}{}", self.layout.lost_line(missing)));
        }
        let written = match self.stream {
            Stream::Out => write(&mut io::stdout().lock(), batch),
            Stream::Err => write(&mut io::stderr().lock(), batch),
        };
        if written.is_err() {
            let lines = batch.lines().count() as u64;
            lost.put_back(missing);
            // The report of what is missing is none of them.
            lost.add(lines - u64::from(missing > 0));
        }
    }
}

fn write(stream: &mut impl Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    stream.flush()
}
