//! Standard output and error as places for log lines. They go through a queue too: a pipe that
//! nobody reads would otherwise stop whoever has something to log.

use std::io::{self, Write};

use super::logfile::lost_line;
use super::queue::{Lost, Queue, Sink};

/// Which of the two.
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
}

impl Console {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn open(stream: Stream) -> io::Result<Self> {
        Ok(Self { queue: Queue::start("log-console", stream)? })
    }

    /// Queues one line; the newline is added. Never blocks.
    pub fn write_line(&self, line: &str) {
        self.queue.push(format!("{line}\n"));
    }

    /// Waits until what was queued is written, for some seconds at most.
    pub fn flush(&self) {
        self.queue.flush();
    }
}

impl Sink<String> for Stream {
    fn write(&mut self, batch: Vec<String>, lost: &Lost) {
        let missing = lost.take();
        let mut text = if missing > 0 { lost_line(missing) } else { String::new() };
        text.extend(batch.iter().map(String::as_str));
        let written = match self {
            Self::Out => write(&mut io::stdout().lock(), &text),
            Self::Err => write(&mut io::stderr().lock(), &text),
        };
        if written.is_err() {
            lost.add(missing + batch.len() as u64);
        }
    }
}

fn write(stream: &mut impl Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    stream.flush()
}
