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
        self.queue.push(line);
    }

    /// Waits until what was queued is written, for some seconds at most.
    pub fn flush(&self) {
        self.queue.flush();
    }
}

impl Sink<String> for Stream {
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
