//! Commands that the service runs. A child gets stdin from /dev/null, the service's stdout and
//! stderr, no other descriptor (all are close-on-exec), and no environment variable that is
//! withheld. Every child is waited for, so that none stays a zombie.

use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

const STEP: Duration = Duration::from_millis(20);

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Exit {
    /// With status 0.
    Success,
    /// With another status or by a signal, as text.
    Failed(String),
    /// It was killed because `give_up` returned true.
    Killed,
}

/// Starts a program; `words` are its name and arguments. Its environment is that of the service,
/// with `env` added and without the variables in `withheld`.
///
/// # Errors
/// There is no such program, or it cannot be run.
pub fn spawn<'a>(
    words: &[String],
    env: &[(&str, &str)],
    withheld: impl IntoIterator<Item = &'a str>,
) -> io::Result<Child> {
    let Some((program, args)) = words.split_first() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut command = Command::new(program);
    command.args(args).envs(env.iter().copied()).stdin(Stdio::null());
    for name in withheld {
        command.env_remove(name);
    }
    command.spawn()
}

/// Waits until the child has ended. Kills it when `give_up` returns true.
pub fn wait(child: &mut Child, mut give_up: impl FnMut() -> bool) -> io::Result<Exit> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(exit_of(status));
        }
        if give_up() {
            child.kill()?;
            child.wait()?;
            return Ok(Exit::Killed);
        }
        std::thread::sleep(STEP);
    }
}

/// Waits until the child has ended, without a limit.
pub fn reap(mut child: Child) -> io::Result<Exit> {
    child.wait().map(exit_of)
}

fn exit_of(status: ExitStatus) -> Exit {
    if status.success() { Exit::Success } else { Exit::Failed(status.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        let words = ["sh", "-c", script].map(str::to_owned);
        spawn(&words, &[("NAME", "value"), ("SECRET", "value")], ["SECRET", "ABSENT"]).unwrap()
    }

    #[test]
    fn ends() {
        let never = || false;
        assert_eq!(wait(&mut shell("test \"$NAME\" = value"), never).unwrap(), Exit::Success);
        assert_eq!(wait(&mut shell("test -z \"$SECRET\""), never).unwrap(), Exit::Success);
        let badly = Exit::Failed("exit status: 3".to_owned());
        assert_eq!(reap(shell("exit 3")).unwrap(), badly);
        assert_eq!(wait(&mut shell("exit 3"), never).unwrap(), badly);
        assert_eq!(wait(&mut shell("exec sleep 60"), || true).unwrap(), Exit::Killed);
        assert!(spawn(&["/nonexistent/program".to_owned()], &[], []).is_err());
        assert!(spawn(&[], &[], []).is_err());
    }
}
