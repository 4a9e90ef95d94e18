//! The command of one connection: a process with three pipes and a minimal environment with the CGI
//! variables. It is stopped with all its child processes.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::http::error_lines::ErrorLines;
use crate::http::sink::ErrorLog;
use crate::http::{Request, cgi};
use crate::limits::PROGRAM_END;

/// A running program.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) life: Life,
}

/// The process. Dropping it kills the process group.
#[derive(Debug)]
pub(super) struct Life {
    child: Child,
    /// The process id, which is also that of the group.
    pid: Option<Pid>,
}

/// Starts a program in a new process group.
pub(super) fn start(command: &[String], req: &Request, log: &ErrorLog) -> io::Result<Program> {
    let (name, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut spawned = Command::new(name);
    spawned.args(arguments).env_clear();
    for name in ["PATH", "LANG", "TZ", "HOME"] {
        std::env::var_os(name).map(|value| spawned.env(name, value));
    }
    spawned.env("GATEWAY_INTERFACE", "Caddy-CGI/1.1");
    spawned.env("SCRIPT_NAME", name).env("PATH_INFO", req.path());
    cgi::variables(req, 0, &mut |name, value| {
        spawned.env(name, OsStr::from_bytes(value));
    });
    spawned.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawned.process_group(0).kill_on_drop(true).spawn()?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let life = Life { child, pid };
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    tokio::task::spawn_local(complaints(stderr, ErrorLines::new(log.clone(), req.path())));
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
    pub(super) async fn end(mut self) {
        self.signal(Signal::SIGINT);
        if timeout(PROGRAM_END, self.child.wait()).await.is_err() {
            self.signal(Signal::SIGKILL);
            let _ = self.child.wait().await;
        }
        self.pid = None;
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
