//! The pid file. Its lock decides who runs, not its existence: a file left by a crash is taken
//! over, a locked one never. Symbolic links and files that are no pid files stay untouched.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

/// A file longer than this holds something else than a pid.
const MAX_LEN: u64 = 64;

/// The locked pid file of this process; removed on drop if it is still ours.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    pid: u32,
    /// `None` once released.
    lock: Option<Flock<File>>,
}

/// Why there is no pid file.
#[derive(Debug)]
pub enum PidFileError {
    /// Another process has the lock.
    Held {
        /// The pid file.
        path: PathBuf,
        /// The pid written in it, if there is one yet.
        pid: Option<u32>,
    },
    /// The file is a link, no plain file, or too long to be a pid file.
    Refused {
        /// The pid file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The system's answer.
    Io {
        /// The pid file.
        path: PathBuf,
        /// What was attempted.
        step: &'static str,
        /// The error.
        source: io::Error,
    },
}

impl PidFile {
    /// Opens or creates `path` (mode 0644), locks it and writes this process's pid.
    ///
    /// # Errors
    /// Held by a running process, a symbolic link, or any I/O error.
    pub fn acquire(path: &Path) -> Result<Self, PidFileError> {
        let io = |step| move |source| PidFileError::Io { path: path.to_owned(), step, source };
        loop {
            let file = open(path)?;
            let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => lock,
                Err((mut file, Errno::EWOULDBLOCK)) => {
                    let pid = read_pid(&mut file);
                    return Err(PidFileError::Held { path: path.to_owned(), pid });
                }
                Err((_, errno)) => return Err(io("locking it")(errno.into())),
            };
            // Its owner may have removed the file between our open and our lock.
            if !same_file(path, &lock) {
                continue;
            }
            let pid = std::process::id();
            write_pid(&mut lock, pid).map_err(io("writing it"))?;
            return Ok(Self { path: path.to_owned(), pid, lock: Some(lock) });
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The pid written in it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Gives up the lock and leaves the file in place, for the process that takes over.
    pub fn release(mut self) {
        self.lock = None;
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let Some(mut lock) = self.lock.take() else { return };
        // A forked child inherits this value with the lock but is not the owner.
        let ours = std::process::id() == self.pid && read_pid(&mut lock) == Some(self.pid);
        if ours && same_file(&self.path, &lock) {
            // Removed while locked, so nobody can have taken it over. Where only root may remove
            // it, it is left without a pid, which names no process that may get the number next.
            if fs::remove_file(&self.path).is_err() {
                let _ = lock.set_len(0);
            }
        }
    }
}

impl fmt::Display for PidFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { path, pid: Some(pid) } => {
                write!(f, "{} is held by process {pid}: caddy is already running", path.display())
            }
            Self::Held { path, pid: None } => {
                write!(f, "{} is held: caddy is already running", path.display())
            }
            Self::Refused { path, reason } => write!(f, "pid file {}: {reason}", path.display()),
            Self::Io { path, step, source } => {
                write!(f, "pid file {}: {step}: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for PidFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

fn open(path: &Path) -> Result<File, PidFileError> {
    let refused = |reason| PidFileError::Refused { path: path.to_owned(), reason };
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        // O_NONBLOCK: a FIFO in its place must not hang the start.
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).bits())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(err) if err.raw_os_error() == Some(Errno::ELOOP as i32) => {
            return Err(refused("is a symbolic link, which is not followed"));
        }
        Err(source) => {
            return Err(PidFileError::Io { path: path.to_owned(), step: "opening it", source });
        }
    };
    match file.metadata() {
        Ok(meta) if !meta.is_file() => Err(refused("is not a regular file")),
        Ok(meta) if meta.nlink() > 1 => Err(refused("has other names (hard links)")),
        Ok(meta) if meta.len() > MAX_LEN => Err(refused("holds something else than a pid")),
        _ => Ok(file),
    }
}

fn write_pid(file: &mut File, pid: u32) -> io::Result<()> {
    // The umask of a detached process would hide it from tools of other users.
    file.set_permissions(Permissions::from_mode(0o644)).or_else(|err| {
        if err.kind() == io::ErrorKind::PermissionDenied { Ok(()) } else { Err(err) }
    })?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{pid}\n").as_bytes())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(MAX_LEN).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn same_file(path: &Path, file: &File) -> bool {
    match (fs::symlink_metadata(path), file.metadata()) {
        (Ok(named), Ok(held)) => named.dev() == held.dev() && named.ino() == held.ino(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_held_and_removed() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("caddy.pid");
        let me = std::process::id();
        let held = PidFile::acquire(&path).expect("first");
        assert_eq!((held.path(), held.pid()), (path.as_path(), me));
        assert_eq!(fs::read_to_string(&path).expect("read"), format!("{me}\n"));
        assert_eq!(fs::metadata(&path).expect("meta").mode() & 0o777, 0o644);
        let err = PidFile::acquire(&path).expect_err("second").to_string();
        let want = format!("{} is held by process {me}: caddy is already running", path.display());
        assert_eq!(err, want);
        drop(held);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_file_is_taken_over_and_a_released_one_stays() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("caddy.pid");
        for stale in ["999999\n", "", "garbage", "\0\0\0"] {
            fs::write(&path, stale).expect("write");
            PidFile::acquire(&path).expect("taken over").release();
            let now = fs::read_to_string(&path).expect("read");
            assert_eq!(now, format!("{}\n", std::process::id()));
        }
        drop(PidFile::acquire(&path).expect("after release"));
        assert!(!path.exists());
    }

    #[test]
    fn somebody_elses_file_is_left_alone() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("caddy.pid");
        let held = PidFile::acquire(&path).expect("acquire");
        fs::remove_file(&path).expect("remove");
        fs::write(&path, "4242\n").expect("replace");
        drop(held);
        assert_eq!(fs::read_to_string(&path).expect("still there"), "4242\n");
        let held = PidFile::acquire(&path).expect("acquire");
        fs::write(&path, "4242\n").expect("rewritten by the new binary");
        drop(held);
        assert!(path.exists());
    }

    #[test]
    fn links_and_strange_files_are_refused() {
        let dir = tempfile::tempdir().expect("dir");
        let target = dir.path().join("target");
        let text = "precious ".repeat(20);
        fs::write(&target, &text).expect("write");
        let (soft, hard) = (dir.path().join("soft"), dir.path().join("hard"));
        std::os::unix::fs::symlink(&target, &soft).expect("symlink");
        for (path, part) in [(&soft, "symbolic link"), (&target, "else than a pid")] {
            let err = PidFile::acquire(path).expect_err(part).to_string();
            assert!(err.contains(part), "{err}");
        }
        fs::hard_link(&target, &hard).expect("link");
        assert!(PidFile::acquire(&hard).expect_err("hard").to_string().contains("hard links"));
        assert_eq!(fs::read_to_string(&target).expect("read"), text);
        let err = PidFile::acquire(&dir.path().join("no/such")).expect_err("no dir").to_string();
        assert!(err.contains("opening it"), "{err}");
    }
}
