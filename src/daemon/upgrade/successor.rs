//! The process that is to come next, seen from the one that runs.

use std::io::{self, Read};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::parcel::Parcel;
use super::program::Program;
use super::words::{FAILED, GO, MARK, READY};
use crate::daemon::privileges;

/// A started binary that is not ready yet. Unless it is let go it is ended on drop.
pub struct Successor {
    child: Child,
    stream: UnixStream,
    is_gone: bool,
}

/// Waits for the successor's word, apart from it: what it says may take a while.
pub struct Answer(UnixStream);

/// A successor that serves.
pub struct Serving {
    pid: u32,
    stream: UnixStream,
}

impl Successor {
    /// Starts the program and hands it what it is to take over. `patience` bounds every wait for
    /// it.
    ///
    /// # Errors
    /// It cannot be started, or does not take the parcel.
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
        // It names us, and the watchdog is to be the successor's.
        command.env_remove("WATCHDOG_PID");
        let child = privileges::bequeathing(|| command.spawn())?;
        drop(command);
        let successor = Self { child, stream, is_gone: false };
        match Parcel::send(&successor.stream, text, files) {
            // It has ended already; who waits for its answer hears how.
            Err(error) if is_closed(&error) => Ok(successor),
            sent => sent.map(|()| successor),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Something to wait with.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn answer(&self) -> io::Result<Answer> {
        self.stream.try_clone().map(Answer)
    }

    /// Lets it serve. It is a process of its own from then on.
    ///
    /// # Errors
    /// It has ended meanwhile.
    pub fn go(mut self) -> io::Result<Serving> {
        Parcel::send(&self.stream, GO, &[])?;
        self.is_gone = true;
        let stream = self.stream.try_clone()?;
        stream.set_read_timeout(None)?;
        Ok(Serving { pid: self.child.id(), stream })
    }

    /// How it ended, if it does so soon.
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

    /// What to say of a successor that gave no answer.
    pub fn silence(&mut self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                "it was not ready in time".to_owned()
            }
            _ => match self.end() {
                Some(status) => format!("it ended before it was ready ({status})"),
                None => format!("it does not understand ({error})"),
            },
        }
    }
}

impl Answer {
    /// What the successor has to say when it is ready, or why it never will be.
    ///
    /// # Errors
    /// It said neither.
    pub fn wait(self) -> io::Result<Result<String, String>> {
        let said = Parcel::receive(&self.0)?.text;
        let (word, rest) = said.split_once('\n').unwrap_or((&said, ""));
        match word {
            READY => Ok(Ok(rest.to_owned())),
            FAILED => Ok(Err(rest.to_owned())),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

impl Serving {
    /// Has it read its configuration anew.
    pub fn reload(&self) {
        if let Ok(pid) = i32::try_from(self.pid) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGHUP);
        }
    }

    /// Returns when it has ended.
    pub fn ended(mut self) {
        // It never writes, so a read ends with it.
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
