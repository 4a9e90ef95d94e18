//! The next process, seen from the running one.

use std::io::{self, Read};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::message::Message;
use super::program::Program;
use super::protocol::{FAILED, GO, MARK, READY};
use crate::daemon::privileges;

/// A started process that does not serve yet. It is killed on drop unless [`Self::go`] was called.
pub struct Successor {
    child: Child,
    stream: UnixStream,
    is_gone: bool,
}

/// Waits for the successor's report, separately from the [`Successor`].
pub struct Answer(UnixStream);

/// A successor that serves.
pub struct Serving {
    pid: u32,
    stream: UnixStream,
}

impl Successor {
    /// Starts the program and sends it the message. `patience` is the timeout of every read and
    /// write.
    ///
    /// # Errors
    /// The program cannot be started, or does not receive the message.
    pub fn start(
        program: &Program,
        text: &str,
        files: &[BorrowedFd<'_>],
        patience: Duration,
    ) -> io::Result<Self> {
        let (stream, theirs) = UnixStream::pair()?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_read_timeout(Some(patience))?;
        let mut command = program.command();
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        command.env(MARK, std::process::id().to_string());
        // The variable names this process, but the watchdog will be the successor's.
        command.env_remove("WATCHDOG_PID");
        let child = privileges::bequeathing(|| command.spawn())?;
        drop(command);
        let successor = Self { child, stream, is_gone: false };
        match Message::send(&successor.stream, text, files) {
            // It has already ended; waiting for its answer reports how.
            Err(error) if is_closed(&error) => Ok(successor),
            sent => sent.map(|()| successor),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A handle to wait for the answer with.
    ///
    /// # Errors
    /// The socket cannot be duplicated.
    pub fn answer(&self) -> io::Result<Answer> {
        self.stream.try_clone().map(Answer)
    }

    /// Orders it to serve. From then on it is not killed on drop.
    ///
    /// # Errors
    /// The successor has ended, or there is no free descriptor.
    pub fn go(mut self) -> io::Result<Serving> {
        // What may fail comes before the order: afterwards both would serve.
        let stream = self.stream.try_clone()?;
        stream.set_read_timeout(None)?;
        Message::send(&self.stream, GO, &[])?;
        self.is_gone = true;
        Ok(Serving { pid: self.child.id(), stream })
    }

    /// Its exit status, if it ends within 1 s.
    fn end(&mut self) -> Option<String> {
        let deadline = Instant::now() + Duration::from_secs(1);
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                self.is_gone = true;
                return Some(status.to_string());
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The message for a successor that gave no answer.
    pub fn silence(&mut self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                "the new process was not ready in time".to_owned()
            }
            _ => match self.end() {
                Some(status) => format!("the new process ended before it was ready ({status})"),
                None => format!("the new process does not support upgrades ({error})"),
            },
        }
    }
}

impl Answer {
    /// The successor's text when it is ready, or the reason why it cannot serve.
    ///
    /// # Errors
    /// It reported neither.
    pub fn wait(self) -> io::Result<Result<String, String>> {
        let text = Message::receive(&self.0)?.text;
        let (word, rest) = text.split_once('\n').unwrap_or((&text, ""));
        match word {
            READY => Ok(Ok(rest.to_owned())),
            FAILED => Ok(Err(rest.to_owned())),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

impl Serving {
    /// Makes it reload its configuration.
    pub fn reload(&self) {
        if let Ok(pid) = i32::try_from(self.pid) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGHUP);
        }
    }

    /// Blocks until it has ended.
    pub fn ended(mut self) {
        // It never writes, so the read returns when it ends.
        let _ = self.stream.read(&mut [0]);
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.is_gone {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
