//! Detaching from the terminal (`-daemon`). The parent waits until the service is ready or has
//! reported an error, and exits with the matching code, for init scripts.
//!
//! The `daemonize` crate forks; only its `execute()` is used. It neither sets supplementary groups
//! nor waits for readiness, so privileges and the pipe are handled here.

use std::io::{self, PipeReader, PipeWriter, Read, Write};

use daemonize::{Daemonize, Outcome};

const READY: u8 = b'+';
const FAILED: u8 = b'-';

/// The process in which [`detach`] has returned.
pub enum Side {
    /// The process on the terminal (or a child that could not detach): exit with this code.
    Parent(i32),
    /// The service, in its own session, with stdin, stdout and stderr on /dev/null.
    Child(Readiness),
}

/// Reports readiness to the parent process. Dropping it without a report counts as a failure.
pub struct Readiness {
    pipe: PipeWriter,
}

/// Forks the background process. Must run before any thread exists. Keeps the working directory,
/// for relative paths, and sets the umask to 027. In the parent it returns when the child is
/// ready (exit code 0) or has failed (message on stderr, and its exit code).
///
/// # Errors
/// The pipe or the first fork failed; then there is no second process.
pub fn detach() -> io::Result<Side> {
    let (reader, pipe) = io::pipe()?;
    match Daemonize::new().working_directory(".").umask(0o027).execute() {
        Outcome::Parent(Ok(_)) => {
            drop(pipe);
            Ok(Side::Parent(await_child(reader, &mut io::stderr().lock())))
        }
        Outcome::Parent(Err(err)) => Err(io::Error::other(err)),
        Outcome::Child(Ok(_)) => {
            drop(reader);
            Ok(Side::Child(Readiness { pipe }))
        }
        Outcome::Child(Err(err)) => {
            Readiness { pipe }.failed(1, &format!("cannot detach: {err}"));
            Ok(Side::Parent(1))
        }
    }
}

impl Readiness {
    /// The service is ready: the parent exits with 0.
    pub fn ready(mut self) {
        // The parent may have been killed.
        let _ = self.pipe.write_all(&[READY]);
    }

    /// The start failed: the parent prints `message` to stderr and exits with `code`.
    pub fn failed(mut self, code: u8, message: &str) {
        let mut text = vec![FAILED, code];
        text.extend_from_slice(message.as_bytes());
        let _ = self.pipe.write_all(&text);
    }
}

/// Waits for the child's report and returns the parent's exit code.
fn await_child(mut pipe: PipeReader, terminal: &mut dyn Write) -> i32 {
    let mut bytes = Vec::new();
    let read = pipe.read_to_end(&mut bytes);
    let (code, message) = match bytes.as_slice() {
        [READY, ..] => return 0,
        [FAILED, code, message @ ..] => {
            (i32::from(*code), String::from_utf8_lossy(message).trim_end().to_owned())
        }
        _ => match read {
            Ok(_) => (1, "the background process ended before it was ready".to_owned()),
            Err(err) => (1, format!("cannot wait for the background process: {err}")),
        },
    };
    // If stderr is closed, the exit code still reports the failure.
    let _ = writeln!(terminal, "{message}");
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    const MARK: &str = "CADDY_TEST_DETACH";

    #[test]
    fn exit_code_and_text() {
        let cases: &[(&[u8], i32, &str)] = &[
            (b"+", 0, ""),
            (b"-\x06bind: in use\n", 6, "bind: in use\n"),
            (b"", 1, "the background process ended before it was ready\n"),
            (b"?", 1, "the background process ended before it was ready\n"),
        ];
        for (bytes, code, text) in cases {
            let (reader, mut pipe) = io::pipe().expect("pipe");
            pipe.write_all(bytes).expect("write");
            drop(pipe);
            let mut terminal = Vec::new();
            assert_eq!(await_child(reader, &mut terminal), *code);
            assert_eq!(String::from_utf8_lossy(&terminal), *text);
        }
    }

    /// Runs only inside the process that `a_real_detach` starts.
    #[test]
    fn child() {
        let Some(how) = std::env::var_os(MARK) else { return };
        match detach().expect("detach") {
            Side::Parent(code) => std::process::exit(code),
            Side::Child(readiness) => match how.to_str() {
                Some("ready") => readiness.ready(),
                Some("failed") => readiness.failed(6, "no such port"),
                _ => {}
            },
        }
        std::process::exit(0);
    }

    #[test]
    fn a_real_detach() {
        for (how, code, text) in [
            ("ready", 0, ""),
            ("failed", 6, "no such port\n"),
            ("silent", 1, "the background process ended before it was ready\n"),
        ] {
            let out = Command::new(std::env::current_exe().expect("exe"))
                .args(["--exact", "daemon::detach::tests::child"])
                .env(MARK, how)
                .stdin(Stdio::null())
                .output()
                .expect("run");
            assert_eq!(out.status.code(), Some(code), "{how}");
            assert_eq!(String::from_utf8_lossy(&out.stderr), text, "{how}");
        }
    }
}
