//! A program that runs for one request, and is stopped with all its child processes.

use std::io;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::http::error_lines::ErrorLines;
use crate::limits::PROGRAM_END;

/// A running program.
#[derive(Debug)]
pub struct Program {
    pub stdin: ChildStdin,
    pub stdout: ChildStdout,
    pub life: Life,
}

/// The process. Dropping it kills the process group.
#[derive(Debug)]
pub struct Life {
    child: Child,
    /// The process id, which is also that of the group.
    pid: Option<Pid>,
}

/// A command with a minimal environment.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env_clear();
    for name in ["PATH", "LANG", "TZ", "HOME"] {
        std::env::var_os(name).map(|value| command.env(name, value));
    }
    command
}

/// Starts a program in a new process group, with its standard error in the log.
pub fn start(command: &mut Command, errors: ErrorLines) -> io::Result<Program> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let life = Life { child, pid };
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    tokio::task::spawn_local(complaints(stderr, errors));
    Ok(Program { stdin, stdout, life })
}

/// Copies standard error to the log.
async fn complaints(mut stderr: ChildStderr, mut lines: ErrorLines) {
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut piece).await {
        lines.take(&piece[..count]);
    }
}

impl Life {
    /// Stops the program and its children, by force if necessary.
    pub async fn end(mut self) {
        self.signal(Signal::SIGINT);
        if timeout(PROGRAM_END, self.child.wait()).await.is_err() {
            self.signal(Signal::SIGKILL);
            let _ = self.child.wait().await;
        }
        self.pid = None;
    }

    /// Waits until the program ends by itself; `false` if it did not, or a signal ended it.
    pub async fn ended(&mut self) -> bool {
        match timeout(PROGRAM_END, self.child.wait()).await {
            Ok(Ok(status)) => {
                self.pid = None;
                status.code().is_some()
            }
            _ => false,
        }
    }

    /// Whether the program has ended by itself so far.
    pub fn has_ended(&mut self) -> bool {
        let status = self.child.try_wait().ok().flatten();
        let has_ended = status.is_some_and(|status| status.code().is_some());
        if has_ended {
            self.pid = None;
        }
        has_ended
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid {
            let _ = kill(Pid::from_raw(-pid.as_raw()), signal);
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}
