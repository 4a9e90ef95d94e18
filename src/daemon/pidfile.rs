//! The pid file. Its lock, not its existence, shows that the service runs: a file left by a crash
//! is reused, a locked one never. Symbolic links and other files are not modified.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;

/// A file longer than this contains something other than a process ID.
const MAX_LEN: u64 = 64;
/// How long a lock is waited for that may be no server's.
const LOOK: Duration = Duration::from_millis(300);
const PAUSE: Duration = Duration::from_millis(20);

/// The locked pid file of this process; removed on drop if it still holds this process's pid.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    pid: u32,
    /// Stays locked until the last process that has it open ends. `None` once released.
    lock: File,
}

/// Why there is no pid file.
#[derive(Debug)]
pub enum PidFileError {
    /// Another process has the lock.
    Held {
        /// The pid file.
        path: PathBuf,
        /// The pid in it, if it holds one.
        pid: Option<u32>,
    },
    /// The file is a link, not a regular file, or too long to be a pid file.
    Refused {
        /// The pid file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A system call failed.
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
    /// The file is locked by another process, is not a pid file, or an I/O error.
    pub fn acquire(path: &Path) -> Result<Self, PidFileError> {
        let io = |step| move |source| PidFileError::Io { path: path.to_owned(), step, source };
        loop {
            let file = open(path)?;
            lock(path, &file)?;
            // Its owner may have removed the file before it was locked here.
            if !same_file(path, &file) {
                continue;
            }
            let pid = std::process::id();
            // The umask of a detached process would hide it from other users.
            readable(&file).map_err(io("cannot set its mode"))?;
            write_pid(&file, pid).map_err(io("cannot write it"))?;
            return Ok(Self { path: path.to_owned(), pid, lock: file });
        }
    }

    /// Takes the locked file that the previous process has handed over. It holds that process's
    /// pid until that process replaces it.
    ///
    /// # Errors
    /// The path names another file now.
    pub fn inherit(path: &Path, handed: OwnedFd) -> Result<Self, PidFileError> {
        let file = File::from(handed);
        lock(path, &file)?;
        if !same_file(path, &file) {
            let reason = "is not the file of the previous process";
            return Err(PidFileError::Refused { path: path.to_owned(), reason });
        }
        Ok(Self { path: path.to_owned(), pid: std::process::id(), lock: file })
    }

    /// Writes another pid, atomically for a reader of the first line.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn name(&self, pid: u32) -> io::Result<()> {
        write_pid(&self.lock, pid)
    }

    /// The open file, to be handed to the next process.
    #[must_use]
    pub fn file(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // A forked child inherits this value but is not the owner; nor is a process whose successor
        // is in the file.
        let ours = std::process::id() == self.pid && read_pid(&self.lock) == Some(self.pid);
        if ours && same_file(&self.path, &self.lock) {
            // Removed while locked, so no other process can have taken it over. Where only root can
            // remove it, it is emptied, so that the pid cannot match a later process.
            if fs::remove_file(&self.path).is_err() {
                let _ = self.lock.set_len(0);
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
            return Err(PidFileError::Io { path: path.to_owned(), step: "cannot open it", source });
        }
    };
    match file.metadata() {
        Ok(meta) if !meta.is_file() => Err(refused("is not a regular file")),
        Ok(meta) if meta.nlink() > 1 => Err(refused("has more than one hard link")),
        Ok(meta) if meta.len() > MAX_LEN => {
            Err(refused("contains something other than a process ID"))
        }
        _ => Ok(file),
    }
}

/// Retries for a moment: a process that tests whether the file is locked, as the init script does,
/// holds the lock briefly.
fn lock(path: &Path, file: &File) -> Result<(), PidFileError> {
    let path = path.to_owned();
    let end = Instant::now() + LOOK;
    let mut locked = file.try_lock();
    while matches!(locked, Err(TryLockError::WouldBlock)) && Instant::now() < end {
        std::thread::sleep(PAUSE);
        locked = file.try_lock();
    }
    match locked {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(PidFileError::Held { path, pid: read_pid(file) }),
        Err(TryLockError::Error(source)) => {
            Err(PidFileError::Io { path, step: "cannot lock it", source })
        }
    }
}

fn readable(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o644)).or_else(|err| {
        if err.kind() == io::ErrorKind::PermissionDenied { Ok(()) } else { Err(err) }
    })
}

/// Overwrites in place, so that a reader never finds the file empty.
fn write_pid(file: &File, pid: u32) -> io::Result<()> {
    let line = format!("{pid}\n");
    file.write_all_at(line.as_bytes(), 0)?;
    file.set_len(line.len() as u64)
}

/// Reads the first line only: a longer pid may just have been overwritten.
fn read_pid(file: &File) -> Option<u32> {
    let mut text = [0; MAX_LEN as usize];
    let len = file.read_at(&mut text, 0).ok()?;
    let text = str::from_utf8(&text[..len]).ok()?;
    text.lines().next()?.trim().parse().ok()
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
        assert_eq!(fs::read_to_string(&path).expect("read"), format!("{me}\n"));
        assert_eq!(fs::metadata(&path).expect("meta").mode() & 0o777, 0o644);
        let err = PidFile::acquire(&path).expect_err("second").to_string();
        let want = format!("{} is held by process {me}: caddy is already running", path.display());
        assert_eq!(err, want);
        drop(held);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_file_is_taken_over() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("caddy.pid");
        for stale in ["999999\n", "", "garbage", "\0\0\0"] {
            fs::write(&path, stale).expect("write");
            let held = PidFile::acquire(&path).expect("taken over");
            let now = fs::read_to_string(&path).expect("read");
            assert_eq!(now, format!("{}\n", std::process::id()));
            drop(held);
            assert!(!path.exists());
        }
    }

    #[test]
    fn handed_over_it_is_never_free_nor_empty() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("caddy.pid");
        let old = PidFile::acquire(&path).expect("acquire");
        let handed = old.file().try_clone_to_owned().expect("duplicate");
        let new = PidFile::inherit(&path, handed).expect("inherit");
        let read = || fs::read_to_string(&path).expect("read");
        for pid in [123_456, 7, 99_999] {
            old.name(pid).expect("write");
            assert_eq!(read(), format!("{pid}\n"));
        }
        drop(old);
        assert_eq!(read(), "99999\n");
        assert!(PidFile::acquire(&path).expect_err("held").to_string().contains("process 99999"));
        new.name(std::process::id()).expect("write");
        drop(new);
        assert!(!path.exists());
    }

    #[test]
    fn a_look_at_the_lock_does_not_stop_a_start() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("caddy.pid");
        fs::write(&path, "1\n").expect("write");
        let look = File::open(&path).expect("open");
        look.lock_shared().expect("lock");
        let looking = std::thread::spawn(move || {
            std::thread::sleep(LOOK / 6);
            drop(look);
        });
        drop(PidFile::acquire(&path).expect("acquired"));
        looking.join().expect("thread");
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
        for (path, part) in [(&soft, "symbolic link"), (&target, "other than a process ID")] {
            let err = PidFile::acquire(path).expect_err(part).to_string();
            assert!(err.contains(part), "{err}");
        }
        fs::hard_link(&target, &hard).expect("link");
        assert!(PidFile::acquire(&hard).expect_err("hard").to_string().contains("hard link"));
        assert_eq!(fs::read_to_string(&target).expect("read"), text);
        let err = PidFile::acquire(&dir.path().join("no/such")).expect_err("no dir").to_string();
        assert!(err.contains("cannot open it"), "{err}");
    }
}
