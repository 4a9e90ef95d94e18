//! A log file that is appended to, rolled by size and reopened on demand. Callers never wait: one
//! writer thread per file takes lines from a bounded queue and writes them in batches. A full
//! disk or a missing directory costs lines, which are counted and reported, never the service.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;

use super::queue::{Lost, Queue, Sink};
use super::rolled::Archive;

/// How often the path is checked for having been moved away.
const PAUSE: Duration = Duration::from_secs(1);

/// When a log is rolled and what becomes of the rolled files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roll {
    /// Bytes a file may reach; `None` never rolls.
    pub size: Option<u64>,
    /// Age at which rolled files are removed; zero keeps them.
    pub age: Duration,
    /// How many rolled files are kept; 0 keeps all.
    pub keep: usize,
    /// Whether rolled files are gzipped.
    pub compress: bool,
}

/// An open log. All that open the same path share one writer; the last to go flushes it.
#[derive(Clone)]
pub struct LogFile {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Queue<String>,
    control: Arc<Control>,
}

/// What callers may change while the writer runs.
struct Control {
    reopen: AtomicBool,
    roll: Mutex<Roll>,
}

/// The open logs by path, so that two directives never roll one file under each other.
static OPEN: Mutex<Option<HashMap<PathBuf, Weak<Shared>>>> = Mutex::new(None);

impl LogFile {
    /// Opens `path` for appending, creating it with `mode` and its directories with 0755. Rolled
    /// files carry local time in their names. A log that is already open is shared: it is
    /// reopened and the new `roll` holds.
    ///
    /// # Errors
    /// The file or its directory cannot be made or opened.
    pub fn open(path: impl AsRef<Path>, roll: Roll, mode: u32) -> io::Result<Self> {
        Self::open_named(path.as_ref(), roll, mode, false)
    }

    /// As [`Self::open`], with UTC in the names of rolled files (the process log).
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_utc(path: impl AsRef<Path>, roll: Roll, mode: u32) -> io::Result<Self> {
        Self::open_named(path.as_ref(), roll, mode, true)
    }

    /// Queues one line; the newline is added. Never blocks.
    pub fn write_line(&self, line: &str) {
        let mut text = String::with_capacity(line.len() + 1);
        text.push_str(line);
        text.push('\n');
        self.shared.queue.push(text);
    }

    /// Has the writer open the path anew, after what is queued already.
    pub fn reopen(&self) {
        self.shared.control.reopen.store(true, Ordering::Release);
        self.shared.queue.wake();
    }

    /// Waits until what was queued is written, for some seconds at most.
    pub fn flush(&self) {
        self.shared.queue.flush();
    }

    fn open_named(path: &Path, roll: Roll, mode: u32, utc: bool) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
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
        let mut writer = Writer::new(path.clone(), mode, utc, control.clone());
        writer.open_file()?;
        writer.tidy();
        let shared = Arc::new(Shared { queue: Queue::start("log", writer)?, control });
        open.insert(path, Arc::downgrade(&shared));
        Ok(Self { shared })
    }
}

struct Writer {
    path: PathBuf,
    mode: u32,
    utc: bool,
    control: Arc<Control>,
    file: Option<Current>,
    /// The next time to look whether the path is still this file.
    check: Instant,
    /// The time in the name of the newest rolled file.
    rolled: NaiveDateTime,
    /// Not waited for at the end: what it leaves undone the next start does.
    tidying: Option<JoinHandle<()>>,
    /// The last write failed.
    broken: bool,
}

struct Current {
    file: File,
    size: u64,
    /// Devices and FIFOs are written to but not rolled.
    regular: bool,
    /// A write stopped inside a line, which the next one must not continue.
    torn: bool,
}

impl Sink<String> for Writer {
    fn write(&mut self, batch: Vec<String>, lost: &Lost) {
        self.refresh();
        let missing = lost.take();
        if missing > 0 && self.append(lost_line(missing).as_bytes()) > 0 {
            lost.add(missing);
        }
        let limit = lock(&self.control.roll).size;
        let mut pending = Vec::new();
        for line in &batch {
            if self.is_full(limit, pending.len(), line.len()) {
                lost.add(self.append(&pending));
                pending.clear();
                self.roll();
            }
            pending.extend_from_slice(line.as_bytes());
        }
        lost.add(self.append(&pending));
    }
}

impl Writer {
    fn new(path: PathBuf, mode: u32, utc: bool, control: Arc<Control>) -> Self {
        let (check, rolled) = (Instant::now(), NaiveDateTime::MIN);
        let (file, tidying, broken) = (None, None, false);
        Self { path, mode, utc, control, file, check, rolled, tidying, broken }
    }

    fn open_file(&mut self) -> io::Result<()> {
        if let Some(dir) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
        }
        let file = OpenOptions::new().append(true).create(true).mode(self.mode).open(&self.path)?;
        let meta = file.metadata()?;
        let regular = meta.is_file();
        self.file = Some(Current { file, size: meta.len(), regular, torn: false });
        self.check = Instant::now() + PAUSE;
        Ok(())
    }

    /// Opens the file anew when asked to, or when its path is another file by now (moved away by
    /// logrotate, or removed). On failure the open one goes on.
    fn refresh(&mut self) {
        let asked = self.control.reopen.swap(false, Ordering::AcqRel);
        let due = Instant::now() >= self.check;
        if !asked && !due {
            return;
        }
        self.check = Instant::now() + PAUSE;
        if (asked || !self.is_current())
            && let Err(err) = self.open_file()
        {
            log_failure(&self.path, "opening", &err);
        }
    }

    fn is_current(&self) -> bool {
        let held = self.file.as_ref().and_then(|current| current.file.metadata().ok());
        match (held, fs::metadata(&self.path)) {
            (Some(held), Ok(named)) => held.dev() == named.dev() && held.ino() == named.ino(),
            _ => false,
        }
    }

    /// Whether `line` bytes after the `pending` ones pass the limit. A line longer than the limit
    /// has a file of its own.
    fn is_full(&self, limit: Option<u64>, pending: usize, line: usize) -> bool {
        let (Some(limit), Some(current)) = (limit, &self.file) else { return false };
        let before = current.size + pending as u64;
        current.regular && before > 0 && before + line as u64 > limit
    }

    /// Returns the number of lines that could not be written.
    fn append(&mut self, text: &[u8]) -> u64 {
        let lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count() as u64;
        let Some(current) = &mut self.file else { return lines(text) };
        let (written, result) = current.append(text);
        match result {
            Ok(()) => self.broken &= text.is_empty(),
            // Only the first failure is told: the telling may end up in this very file.
            Err(err) if !self.broken => {
                self.broken = true;
                log_failure(&self.path, "writing", &err);
            }
            Err(_) => {}
        }
        lines(text.get(written..).unwrap_or_default())
    }

    fn roll(&mut self) {
        let archive = self.archive();
        let name = archive.next_name(&mut self.rolled);
        let rolled = fs::rename(&self.path, name).and_then(|()| self.open_file());
        if let Err(err) = rolled {
            log_failure(&self.path, "rolling", &err);
            // Not again before as much has been written once more.
            if let Some(current) = &mut self.file {
                current.size = 0;
            }
        }
        self.tidy();
    }

    /// Sees to the rolled files on a thread of its own: compressing a large one takes seconds.
    fn tidy(&mut self) {
        let archive = self.archive();
        let before = self.tidying.take();
        let work = move || {
            if let Some(before) = before {
                let _ = before.join();
            }
            if let Err(err) = archive.tidy() {
                log_failure(&archive.path, "tidying the rolled files of", &err);
            }
        };
        self.tidying = thread::Builder::new().name("log-tidy".to_owned()).spawn(work).ok();
    }

    fn archive(&self) -> Archive {
        let roll = lock(&self.control.roll);
        Archive {
            path: self.path.clone(),
            utc: self.utc,
            keep: roll.keep,
            age: roll.age,
            compress: roll.compress,
        }
    }
}

impl Current {
    /// Returns how much of `text` was written, too.
    fn append(&mut self, text: &[u8]) -> (usize, io::Result<()>) {
        if self.torn && !text.is_empty() {
            if let Err(err) = self.file.write_all(b"\n") {
                return (0, Err(err));
            }
            self.size += 1;
            self.torn = false;
        }
        let mut written = 0;
        while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(n) => {
                    written += n;
                    self.size += n as u64;
                    self.torn = text[written - 1] != b'\n';
                }
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return (written, Err(err)),
            }
        }
        (written, Ok(()))
    }
}

/// The line that stands in a log for the `n` that are missing there.
pub(super) fn lost_line(n: u64) -> String {
    let now = chrono::Local::now().format("%Y/%m/%d %H:%M:%S");
    format!("{now} [WARNING] {n} lines lost\n")
}

fn log_failure(path: &Path, what: &str, err: &io::Error) {
    log::warn!("log: {what} {}: {err}", path.display());
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
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
        let two = LogFile::open(&path, roll(None, 0), 0o640).expect("again");
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
    fn a_full_disk_costs_lines_which_are_counted() {
        let control = Control { reopen: AtomicBool::new(false), roll: Mutex::new(roll(None, 0)) };
        let mut writer = Writer::new("/dev/full".into(), 0o644, false, Arc::new(control));
        writer.open_file().expect("open");
        let lost = Lost::default();
        for _ in 0..3 {
            writer.write(vec!["a\n".to_owned(), "b\n".to_owned()], &lost);
        }
        let dir = tempfile::tempdir().expect("dir");
        writer.path = dir.path().join("log");
        writer.control.reopen.store(true, Ordering::Release);
        writer.write(vec!["c\n".to_owned()], &lost);
        let text = read(&writer.path);
        assert!(text.ends_with("[WARNING] 6 lines lost\nc\n"), "{text}");
        assert_eq!(lost.take(), 0);
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
