//! Standard output and standard error as log sinks. They use a queue too, so that a pipe that is
//! not read does not block a thread that logs.

use std::io::{self, Write};

use super::logfile::lost_line;
use super::queue::{BatchSink, Lost, Queue};

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
        self.queue.push(line);
    }

    /// Waits until the queued lines are written, for at most 5 s.
    pub fn flush(&self) {
        self.queue.flush();
    }
}

impl BatchSink<String> for Stream {
    fn write(&mut self, batch: &mut String, lost: &Lost) {
        let missing = lost.take();
        if missing > 0 {
            batch.insert_str(0, &lost_line(missing));
        }
        let written = match self {
            Self::Out => write(&mut io::stdout().lock(), batch),
            Self::Err => write(&mut io::stderr().lock(), batch),
        };
        if written.is_err() {
            let lines = batch.lines().count() as u64;
            lost.add(missing + lines - u64::from(missing > 0));
        }
    }
}

fn write(stream: &mut impl Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    stream.flush()
}
