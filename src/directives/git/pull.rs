//! Fetches a repository by the `git` command, on a thread of its own: a reload does not break off
//! what is under way.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, User, geteuid};

use super::repository::{LATEST, Repository};
use crate::limits::{GIT_TIMEOUT, STDERR_LINE};

/// Between two looks at a command that runs.
const STEP: Duration = Duration::from_millis(20);

/// What a command may know of the service's environment.
const ENVIRONMENT: &[&str] = &[
    "PATH",
    "LANG",
    "TZ",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "SSH_AUTH_SOCK",
];

/// Settings of git that hold for each of its commands: an old kind of `pull`, and an end to
/// transfers that stand still.
const SETTINGS: &[&str] = &[
    "-c",
    "pull.rebase=false",
    "-c",
    "http.lowSpeedLimit=1",
    "-c",
    "http.lowSpeedTime=60",
    "-c",
    "advice.detachedHead=false",
];

impl Repository {
    /// Clones or pulls; returns the commit whose files are there now.
    pub(super) fn update(&self) -> Result<String, String> {
        let path = &self.path;
        let failed = |error| format!("cannot use the directory '{}': {error}", path.display());
        std::fs::create_dir_all(path).map_err(failed)?;
        let is_empty = std::fs::read_dir(path).map_err(failed)?.next().is_none();
        if is_empty {
            self.clone_it()?;
        } else if path.join(".git").exists() {
            self.check_origin()?;
            self.pull()?;
        } else {
            return Err(format!(
                "the directory '{}' contains files, but is not a repository; empty it, or name \
                 another one by `path`",
                path.display()
            ));
        }
        if self.branch == LATEST {
            self.check_out_latest()?;
        }
        self.commit().ok_or_else(|| "the repository has no commit".to_owned())
    }

    fn clone_it(&self) -> Result<(), String> {
        let mut words = vec!["clone"];
        words.extend(self.clone_args.iter().map(String::as_str));
        if self.branch != LATEST {
            words.extend(["-b", &self.branch]);
        }
        words.extend(["--", &self.url, "."]);
        self.git(&words).map(drop)
    }

    fn pull(&self) -> Result<(), String> {
        if self.branch == LATEST || self.commit().is_none() {
            self.git(&["fetch", "--tags", "origin"])?;
        }
        if self.branch == LATEST {
            return Ok(());
        }
        // A clone that was broken off has no commit, and the block may name another branch now.
        let current = self.git(&["symbolic-ref", "--short", "-q", "HEAD"]).unwrap_or_default();
        if self.commit().is_none() || current != self.branch {
            self.check_out_branch()?;
        }
        let mut words = vec!["pull"];
        words.extend(self.pull_args.iter().map(String::as_str));
        words.extend(["origin", &self.branch]);
        self.git(&words).map(drop)
    }

    /// The branch of the block, or the tag.
    fn check_out_branch(&self) -> Result<(), String> {
        self.git(&["fetch", "--tags", "origin"])?;
        let remote = format!("refs/remotes/origin/{}", self.branch);
        match self.git(&["rev-parse", "-q", "--verify", &remote]) {
            Ok(_) => self.git(&["checkout", "-f", "-B", &self.branch, &remote]),
            Err(_) => self.git(&["checkout", "-f", &self.branch, "--"]),
        }
        .map(drop)
    }

    fn check_out_latest(&self) -> Result<(), String> {
        let newest = ["describe", "--tags", "--abbrev=0", "origin"];
        let tag = self.git(&newest).map_err(|_| "the repository has no tag".to_owned())?;
        self.git(&["checkout", &format!("refs/tags/{tag}"), "--"]).map(drop)
    }

    fn check_origin(&self) -> Result<(), String> {
        let there = self.git(&["config", "--get", "remote.origin.url"]).unwrap_or_default();
        let bare = |url: &str| url.trim_end_matches(".git").to_owned();
        if bare(&there) == bare(&self.url) {
            return Ok(());
        }
        let there = Self { url: there, ..self.clone() }.shown();
        Err(format!(
            "the directory '{}' has another repository, {there}; empty it, or name another one by \
             `path`",
            self.path.display()
        ))
    }

    pub(super) fn commit(&self) -> Option<String> {
        self.git(&["rev-parse", "-q", "--verify", "HEAD^{commit}"]).ok()
    }

    /// Runs git in the directory; returns the first line that it writes.
    fn git(&self, words: &[&str]) -> Result<String, String> {
        let mut command = self.command("git");
        command.args(SETTINGS).args(words);
        let name = format!("git {}", words.first().unwrap_or(&""));
        let output = tempfile::tempfile().map_err(|error| error.to_string())?;
        let written = output.try_clone().map_err(|error| error.to_string())?;
        let running = start(command.stdout(written), &name)?;
        self.wait(running, &name)?;
        Ok(beginning(output).lines().next().unwrap_or_default().to_owned())
    }

    /// Runs a command of the block, to its end unless it is a long one.
    pub(super) fn run(&self, words: &[String]) -> Result<(), String> {
        let Some((program, arguments)) = words.split_first() else { return Ok(()) };
        let shown = words.join(" ");
        let mut command = self.command(program);
        let running = start(command.args(arguments).stdout(Stdio::null()), &shown)?;
        self.wait(running, &shown)
    }

    /// A command in the directory, with the rights and the home of the service's user, and without
    /// its variables and files.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.path).env_clear().stdin(Stdio::null()).process_group(0);
        for name in ENVIRONMENT {
            std::env::var_os(name).map(|value| command.env(name, value));
        }
        let user = User::from_uid(geteuid()).ok().flatten();
        if let Some(user) = user {
            command.env("HOME", user.dir).env("USER", user.name);
        }
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_SSH_COMMAND", self.ssh());
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "caddy");
            command.env(format!("GIT_{role}_EMAIL"), "caddy@localhost");
        }
        command
    }

    /// A new host's key is believed at the first time.
    fn ssh(&self) -> String {
        let options = "-o BatchMode=yes -o StrictHostKeyChecking=accept-new -o ConnectTimeout=15 \
                       -o ServerAliveInterval=15";
        let key = self.key.as_ref().map(|key| key.display().to_string());
        let key = key.and_then(|key| shlex::try_quote(&key).ok().map(|key| key.into_owned()));
        match key {
            Some(key) => format!("ssh -i {key} -o IdentitiesOnly=yes {options}"),
            None => format!("ssh {options}"),
        }
    }

    fn wait(&self, running: Running, name: &str) -> Result<(), String> {
        let Running { mut child, errors } = running;
        let end = Instant::now() + GIT_TIMEOUT;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(|error| format!("{name}: {error}"))? {
                break status;
            }
            if Instant::now() > end {
                if let Ok(pid) = i32::try_from(child.id()) {
                    let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
                }
                let _ = child.wait();
                let minutes = GIT_TIMEOUT.as_secs() / 60;
                return Err(format!("{name}: did not finish within {minutes} minutes"));
            }
            std::thread::sleep(STEP);
        };
        if status.success() {
            return Ok(());
        }
        let said = beginning(errors);
        let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
        let said = lines.collect::<Vec<_>>().join("; ").replace(&self.url, &self.shown());
        Err(if said.is_empty() { format!("{name}: {status}") } else { format!("{name}: {said}") })
    }
}

/// A command that runs, and what it writes to standard error.
struct Running {
    child: Child,
    errors: File,
}

fn start(command: &mut Command, name: &str) -> Result<Running, String> {
    let failed = |error: std::io::Error| format!("{name}: {error}");
    let errors = tempfile::tempfile().map_err(failed)?;
    command.stderr(errors.try_clone().map_err(failed)?);
    let child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("{name}: program not found; install it, or add its directory to PATH")
        }
        _ => failed(error),
    })?;
    Ok(Running { child, errors })
}

/// The beginning of what was written, without control characters.
fn beginning(mut file: File) -> String {
    let mut bytes = Vec::new();
    let _ = file.seek(SeekFrom::Start(0));
    let _ = file.take(STDERR_LINE as u64).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// Whether a directory may hold what was cloned: for a message at load.
pub(super) fn is_foreign(path: &Path) -> bool {
    let has_files = std::fs::read_dir(path).is_ok_and(|mut files| files.next().is_some());
    has_files && !path.join(".git").exists()
}
