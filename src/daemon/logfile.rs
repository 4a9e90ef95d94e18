//! A log file that is appended to, rotated by size and reopened on demand. Callers never block: one
//! writer thread per file takes lines from a bounded queue and writes them in batches. On a full
//! disk or a missing directory, lines are dropped, counted and reported.

mod writer;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::queue::Queue;
use writer::Writer;

/// When a log is rotated, and which rotated files are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roll {
    /// Maximum size of a file in bytes; `None`: no rotation.
    pub size: Option<u64>,
    /// Age at which rotated files are removed; zero: never.
    pub age: Duration,
    /// Number of rotated files that are kept; 0: all.
    pub keep: usize,
    /// Whether rotated files are compressed with gzip.
    pub compress: bool,
}

/// Reports a failure of a log.
pub type Complain = fn(&str);

/// An open log. All handles of one path share a writer; dropping the last one flushes it.
#[derive(Clone)]
pub struct LogFile {
    shared: Arc<Shared>,
}

/// What tells the process log from others.
struct Kind {
    utc: bool,
    complain: Complain,
}

struct Shared {
    queue: Queue<String>,
    control: Arc<Control>,
}

/// What callers can change while the writer runs.
struct Control {
    reopen: AtomicBool,
    roll: Mutex<Roll>,
}

/// The open logs by path, so that a file never has two writers.
static OPEN: Mutex<Option<HashMap<PathBuf, Weak<Shared>>>> = Mutex::new(None);

impl LogFile {
    /// Opens `path` for appending, creating it with `mode` and its directories with 0755. The
    /// names of rotated files hold local time. A log that is already open is shared: it is
    /// reopened and gets the new `roll`.
    ///
    /// # Errors
    /// The file or its directory cannot be created or opened.
    pub fn open(path: impl AsRef<Path>, roll: Roll, mode: u32) -> io::Result<Self> {
        let complain = |text: &str| log::warn!("{text}");
        Self::open_named(path.as_ref(), roll, mode, Kind { utc: false, complain })
    }

    /// As [`Self::open`], for the process log: with UTC in the names of rotated files, and a
    /// report of failures that does not only go to the log itself.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_process_log(
        path: impl AsRef<Path>,
        roll: Roll,
        mode: u32,
        complain: Complain,
    ) -> io::Result<Self> {
        Self::open_named(path.as_ref(), roll, mode, Kind { utc: true, complain })
    }

    /// Queues one line; the newline is added. Never blocks.
    pub fn write_line(&self, line: &str) {
        self.shared.queue.push(line);
    }

    /// Makes the writer reopen the path, after the lines queued so far.
    pub fn reopen(&self) {
        self.shared.control.reopen.store(true, Ordering::Release);
        self.shared.queue.wake();
    }

    /// Waits until the queued lines are written, for at most 5 s.
    pub fn flush(&self) {
        self.shared.queue.flush();
    }

    fn open_named(path: &Path, roll: Roll, mode: u32, kind: Kind) -> io::Result<Self> {
        let path = real(path)?;
        let mut open = lock(&OPEN);
        let open = open.get_or_insert_default();
        if let Some(shared) = open.get(&path).and_then(Weak::upgrade) {
            *lock(&shared.control.roll) = roll;
            let log = Self { shared };
            log.reopen();
            return Ok(log);
        }
        open.retain(|_, log| log.strong_count() > 0);
        let control = Arc::new(Control { reopen: AtomicBool::new(false), roll: Mutex::new(roll) });
        let writer = Writer::open(path.clone(), mode, kind.utc, control.clone(), kind.complain)?;
        let shared = Arc::new(Shared { queue: Queue::start("log", writer)?, control });
        open.insert(path, Arc::downgrade(&shared));
        Ok(Self { shared })
    }
}

/// Stops rotation in this process: after an upgrade, the new process rotates the files.
pub fn disable_rotation() {
    let open = lock(&OPEN);
    for log in open.iter().flat_map(HashMap::values).filter_map(Weak::upgrade) {
        let never = Roll { size: None, age: Duration::ZERO, keep: 0, compress: false };
        *lock(&log.control.roll) = never;
    }
}

/// The absolute path with the links of its directories resolved, so that each file has one key.
fn real(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    for dir in path.ancestors().skip(1) {
        if let (Ok(real), Ok(rest)) = (dir.canonicalize(), path.strip_prefix(dir)) {
            return Ok(real.join(rest));
        }
    }
    Ok(path)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::thread;
    use std::time::Instant;

    use super::writer::PAUSE;
    use super::*;

    fn roll(size: Option<u64>, keep: usize) -> Roll {
        Roll { size, age: Duration::ZERO, keep, compress: false }
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).expect("read")
    }

    #[test]
    fn appends_shares_and_makes_directories() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("a/b/access.log");
        let one = LogFile::open(&path, roll(None, 0), 0o640).expect("open");
        std::os::unix::fs::symlink(dir.path().join("a"), dir.path().join("link")).expect("link");
        let linked = dir.path().join("link/b/access.log");
        let two = LogFile::open(&linked, roll(None, 0), 0o640).expect("again");
        assert!(Arc::ptr_eq(&one.shared, &two.shared));
        for n in 0..2000 {
            if n % 2 == 0 { &one } else { &two }.write_line(&n.to_string());
        }
        drop((one, two));
        let text = read(&path);
        assert!(text.lines().enumerate().all(|(n, line)| line == n.to_string()));
        assert_eq!(text.lines().count(), 2000);
        assert_eq!(fs::metadata(&path).expect("meta").mode() & 0o777, 0o640);
        LogFile::open(&path, roll(None, 0), 0o640).expect("reopen").write_line("more");
        assert!(read(&path).ends_with("1999\nmore\n"));
    }

    #[test]
    fn rolls_by_size_and_keeps_some() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("access.log");
        let log = LogFile::open(&path, roll(Some(100), 3), 0o644).expect("open");
        for n in 0..100 {
            log.write_line(&format!("line {n:04}"));
        }
        log.write_line(&"x".repeat(300));
        drop(log);
        assert_eq!(read(&path).len(), 301);
        let rolled = || {
            let all = fs::read_dir(dir.path()).expect("dir").flatten().map(|e| e.path());
            let mut rolled: Vec<PathBuf> = all.filter(|file| *file != path).collect();
            rolled.sort();
            rolled
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while rolled().len() > 3 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        let rolled = rolled();
        assert_eq!(rolled.len(), 3);
        let text: String = rolled.iter().map(|file| read(file)).collect();
        assert!(text.ends_with("line 0098\nline 0099\n"), "{text}");
        assert!(rolled.iter().all(|file| read(file).len() <= 100));
    }

    #[test]
    fn moved_removed_and_reopened() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("logs/access.log");
        let log = LogFile::open(&path, roll(None, 0), 0o644).expect("open");
        log.write_line("one");
        log.flush();
        let moved = dir.path().join("access.log.1");
        fs::rename(&path, &moved).expect("move");
        log.reopen();
        log.write_line("two");
        log.flush();
        assert_eq!((read(&moved).as_str(), read(&path).as_str()), ("one\n", "two\n"));
        fs::remove_dir_all(dir.path().join("logs")).expect("remove");
        thread::sleep(PAUSE);
        log.write_line("three");
        log.flush();
        assert_eq!(read(&path), "three\n");
    }

    #[test]
    fn what_cannot_be_opened_is_told() {
        let dir = tempfile::tempdir().expect("dir");
        fs::write(dir.path().join("file"), "").expect("write");
        for bad in ["", "file/access.log"] {
            assert!(LogFile::open(dir.path().join(bad), roll(None, 0), 0o644).is_err(), "{bad}");
        }
    }
}
