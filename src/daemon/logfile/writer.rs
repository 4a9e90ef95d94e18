//! The writer of a log file: writes, rotates and reopens it, on a thread of its own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;

use super::{Complain, Control, lock};
use crate::daemon::queue::{BatchSink, Lost};
use crate::daemon::record::Layout;
use crate::daemon::rolled::Archive;

/// How often the path is checked for a file that was moved or removed.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// How often the age of rotated files is checked, even if the log is never rotated.
const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) struct Writer {
    path: PathBuf,
    mode: u32,
    utc: bool,
    control: Arc<Control>,
    complain: Complain,
    /// That of the last lines.
    layout: Layout,
    file: Option<Current>,
    /// When to check next whether the path still names this file.
    check: Instant,
    /// The time in the name of the newest rotated file.
    rolled: NaiveDateTime,
    /// Not joined at the end: the next start finishes its work.
    tidying: Option<JoinHandle<()>>,
    /// When to tidy the rotated files next.
    tidy: Instant,
    /// The last write failed. Only the first of several failures is logged, as this may be the
    /// process log itself.
    unwritable: bool,
    /// The last attempt to reopen the file failed; logged likewise.
    unopenable: bool,
}

struct Current {
    file: File,
    size: u64,
    /// Devices and FIFOs are not rotated.
    regular: bool,
    /// The last write ended within a line; the next one must not continue it.
    torn: bool,
}

impl BatchSink<String> for Writer {
    fn write(&mut self, batch: &mut String, lost: &Lost) {
        self.refresh();
        if !batch.is_empty() {
            self.layout = Layout::of(batch);
        }
        let missing = lost.take();
        if missing > 0 && self.append(self.layout.lost_line(missing).as_bytes()) > 0 {
            lost.put_back(missing);
        }
        let limit = lock(&self.control.roll).size;
        let (mut start, mut end) = (0, 0);
        // The size is checked per line only if the batch might not fit.
        let size = self.file.as_ref().map_or(0, |current| current.size) + batch.len() as u64;
        if limit.is_some_and(|limit| size > limit) {
            for line in batch.split_inclusive('\n') {
                if self.is_full(limit, end - start, line.len()) {
                    lost.add(self.append(&batch.as_bytes()[start..end]));
                    self.roll();
                    start = end;
                }
                end += line.len();
            }
        }
        lost.add(self.append(&batch.as_bytes()[start..]));
    }
}

impl Writer {
    pub(super) fn open(
        path: PathBuf,
        mode: u32,
        utc: bool,
        control: Arc<Control>,
        complain: Complain,
    ) -> io::Result<Self> {
        let mut writer = Self {
            path,
            mode,
            utc,
            control,
            complain,
            layout: Layout::default(),
            file: None,
            check: Instant::now(),
            rolled: NaiveDateTime::MIN,
            tidying: None,
            tidy: Instant::now() + DAY,
            unwritable: false,
            unopenable: false,
        };
        writer.open_file()?;
        writer.tidy();
        Ok(writer)
    }

    fn open_file(&mut self) -> io::Result<()> {
        if let Some(dir) = self.path.parent() {
            let made = DirBuilder::new().recursive(true).mode(0o755).create(dir);
            made.map_err(|err| match err.kind() {
                io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(),
                _ => err,
            })?;
        }
        let file = OpenOptions::new().append(true).create(true).mode(self.mode).open(&self.path)?;
        let meta = file.metadata()?;
        let regular = meta.is_file();
        self.file = Some(Current { file, size: meta.len(), regular, torn: false });
        self.check = Instant::now() + PAUSE;
        self.unopenable = false;
        Ok(())
    }

    /// Reopens the file on request, or when its path names another file (moved by logrotate, or
    /// removed). On failure the open file stays in use, unless it was removed: its lines would be
    /// lost and are counted so.
    fn refresh(&mut self) {
        let now = Instant::now();
        if now >= self.tidy {
            self.tidy();
        }
        let reopens = self.control.reopen.swap(false, Ordering::AcqRel);
        if !reopens && now < self.check {
            return;
        }
        self.check = now + PAUSE;
        if !reopens && self.is_current() {
            return;
        }
        let Err(err) = self.open_file() else { return };
        if !std::mem::replace(&mut self.unopenable, true) {
            (self.complain)(&failure(&self.path, "cannot open", &err));
        }
        let is_nameless = |one: &Current| one.file.metadata().is_ok_and(|it| it.nlink() == 0);
        if self.file.as_ref().is_some_and(is_nameless) {
            self.file = None;
        }
    }

    fn is_current(&self) -> bool {
        let held = self.file.as_ref().and_then(|current| current.file.metadata().ok());
        match (held, fs::metadata(&self.path)) {
            (Some(held), Ok(named)) => held.dev() == named.dev() && held.ino() == named.ino(),
            _ => false,
        }
    }

    /// Whether `line` bytes after the `pending` ones exceed the limit. A line longer than the
    /// limit gets a file of its own.
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
            Ok(()) => self.unwritable &= text.is_empty(),
            Err(err) if !std::mem::replace(&mut self.unwritable, true) => {
                (self.complain)(&failure(&self.path, "cannot write", &err));
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
            (self.complain)(&failure(&self.path, "cannot roll", &err));
            // Retried only after the limit is reached again.
            if let Some(current) = &mut self.file {
                current.size = 0;
            }
        }
        self.tidy();
    }

    /// Tidies the rotated files on a thread of its own: compression can take seconds.
    fn tidy(&mut self) {
        self.tidy = Instant::now() + DAY;
        let archive = self.archive();
        let (before, complain) = (self.tidying.take(), self.complain);
        let work = move || {
            if let Some(before) = before {
                let _ = before.join();
            }
            if let Err(err) = archive.tidy() {
                complain(&failure(&archive.path, "cannot remove old rotated files of", &err));
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
    /// Also returns how much of `text` was written.
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

fn failure(path: &Path, what: &str, err: &io::Error) -> String {
    format!("log: {what} {}: {err}", path.display())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use super::super::Roll;
    use super::*;

    fn writer(path: impl Into<PathBuf>) -> Writer {
        let roll = Roll { size: None, age: Duration::ZERO, keep: 0, compress: false };
        let control = Control { reopen: AtomicBool::new(false), roll: Mutex::new(roll) };
        Writer::open(path.into(), 0o644, false, Arc::new(control), |_| {}).expect("open")
    }

    fn read(writer: &Writer) -> String {
        fs::read_to_string(&writer.path).expect("read")
    }

    #[test]
    fn a_full_disk_costs_lines_which_are_counted() {
        let mut writer = writer("/dev/full");
        let lost = Lost::default();
        for _ in 0..3 {
            writer.write(&mut "a\nb\n".to_owned(), &lost);
        }
        let dir = tempfile::tempdir().expect("dir");
        writer.path = dir.path().join("log");
        writer.control.reopen.store(true, Ordering::Release);
        writer.write(&mut "c\n".to_owned(), &lost);
        let text = read(&writer);
        assert!(text.ends_with("[WARNING] 6 lines lost\nc\n"), "{text}");
        assert_eq!(lost.take(), 0);
    }

    #[test]
    fn lines_into_a_removed_file_are_lost_and_counted() {
        let dir = tempfile::tempdir().expect("dir");
        let logs = dir.path().join("logs");
        let mut writer = writer(logs.join("log"));
        let lost = Lost::default();
        let write = |writer: &mut Writer, line: &str| {
            writer.check = Instant::now();
            writer.write(&mut line.to_owned(), &lost);
        };
        write(&mut writer, "a\n");
        fs::remove_dir_all(&logs).expect("remove");
        fs::write(&logs, "in the way").expect("write");
        write(&mut writer, "b\n");
        write(&mut writer, "c\n");
        fs::remove_file(&logs).expect("remove");
        write(&mut writer, "d\n");
        let text = read(&writer);
        assert!(text.ends_with("[WARNING] 2 lines lost\nd\n"), "{text}");
    }
}
