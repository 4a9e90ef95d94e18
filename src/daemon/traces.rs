//! The files of qlog, one for each recorded connection: written on one thread, bounded in number
//! and size. What does not fit is left out and counted; no connection waits.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use super::queue::{Batch, BatchSink, Lost, Queue};
use crate::limits::{LOG_QUEUE_BYTES, QLOG_BYTES, QLOG_FILE_BYTES, QLOG_FILES, QLOG_OPEN};

/// What ends the name of each file: JSON text sequences, as qvis opens them.
const ENDING: &str = ".sqlog";
/// What a trace collects before it is written.
const CHUNK: usize = 8 * 1024;
/// The files tell what clients do.
const MODE: u32 = 0o600;

/// A directory of traces. Dropping it writes what is queued.
pub struct Traces {
    shared: Arc<Directory>,
}

struct Directory {
    queue: Queue<Chunks>,
    open: AtomicUsize,
    next: AtomicU64,
}

/// The trace of one connection, which takes whole records.
pub struct Trace {
    shared: Arc<Directory>,
    name: Arc<str>,
    number: Arc<u64>,
    is_first: bool,
    text: Vec<u8>,
    size: usize,
}

impl Traces {
    /// Takes a directory, which is made if it is missing.
    ///
    /// # Errors
    /// It cannot be made, or this process may not write to it.
    pub fn open(dir: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        tempfile::tempfile_in(dir)?;
        let files = Files::of(dir)?;
        let queue = Queue::start("qlog", files)?;
        let (open, next) = (AtomicUsize::new(0), AtomicU64::new(0));
        Ok(Self { shared: Arc::new(Directory { queue, open, next }) })
    }

    /// Begins a trace; `None` if there are as many as there may be. `name` is a file name without
    /// its ending.
    #[must_use]
    pub fn begin(&self, name: &str) -> Option<Trace> {
        let shared = self.shared.clone();
        if shared.open.fetch_add(1, Ordering::Relaxed) >= QLOG_OPEN {
            shared.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let number = Arc::new(shared.next.fetch_add(1, Ordering::Relaxed));
        let name = format!("{name}{ENDING}").into();
        Some(Trace { shared, name, number, is_first: true, text: Vec::new(), size: 0 })
    }

    /// Waits until what has been handed over is written, for at most 5 s.
    pub fn flush(&self) {
        self.shared.queue.flush();
    }
}

impl Trace {
    fn hand_over(&mut self) {
        if self.text.is_empty() {
            return;
        }
        let (name, number) = (self.name.clone(), Arc::downgrade(&self.number));
        let is_first = std::mem::take(&mut self.is_first);
        let text = std::mem::take(&mut self.text);
        let chunk = Chunk { name, id: *self.number, number, is_first, text };
        self.shared.queue.push(chunk);
    }
}

impl Write for Trace {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        if self.size + record.len() <= QLOG_FILE_BYTES {
            self.size += record.len();
            self.text.extend_from_slice(record);
        } else {
            // Nothing shorter either: a trace has no gaps.
            self.size = QLOG_FILE_BYTES;
        }
        if self.text.len() >= CHUNK {
            self.hand_over();
        }
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hand_over();
        Ok(())
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.hand_over();
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Records of a trace on their way to its file.
struct Chunk {
    name: Arc<str>,
    id: u64,
    /// Gone with the trace.
    number: Weak<u64>,
    is_first: bool,
    text: Vec<u8>,
}

#[derive(Default)]
struct Chunks {
    list: Vec<Chunk>,
    bytes: usize,
}

impl Batch for Chunks {
    type Entry<'a> = Chunk;
    const MOST: usize = LOG_QUEUE_BYTES;

    fn add(&mut self, chunk: Chunk) {
        self.bytes += chunk.text.len();
        self.list.push(chunk);
    }

    fn size(&self) -> usize {
        self.bytes
    }

    fn clear(&mut self) {
        self.list.clear();
        self.bytes = 0;
    }
}

/// The writer's side.
struct Files {
    dir: PathBuf,
    /// Of traces that may still get records.
    open: HashMap<u64, Open>,
    /// All files, the oldest first.
    kept: Vec<Kept>,
    /// The last write failed; only the first of several failures is logged.
    unwritable: bool,
}

struct Open {
    file: File,
    number: Weak<u64>,
}

struct Kept {
    path: PathBuf,
    /// Of a trace of this process.
    id: Option<u64>,
    size: u64,
}

impl Files {
    fn of(dir: &Path) -> io::Result<Self> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if is_ours(&entry.file_name().to_string_lossy()) && meta.is_file() {
                let (path, size) = (entry.path(), meta.len());
                kept.push((meta.modified()?, Kept { path, id: None, size }));
            }
        }
        kept.sort_by_key(|(modified, _)| *modified);
        let kept = kept.into_iter().map(|(_, kept)| kept).collect();
        let (dir, open) = (dir.to_owned(), HashMap::new());
        Ok(Self { dir, open, kept, unwritable: false })
    }

    fn append(&mut self, chunk: &Chunk) -> io::Result<()> {
        if chunk.is_first {
            let path = self.dir.join(&*chunk.name);
            // Clients choose the name, and may choose one twice.
            let file = OpenOptions::new().append(true).create_new(true).mode(MODE).open(&path)?;
            self.make_room();
            self.open.insert(chunk.id, Open { file, number: chunk.number.clone() });
            self.kept.push(Kept { path, id: Some(chunk.id), size: 0 });
        }
        let Some(open) = self.open.get_mut(&chunk.id) else { return Ok(()) };
        let written = open.file.write_all(&chunk.text);
        let kept = self.kept.iter_mut().rfind(|kept| kept.id == Some(chunk.id));
        if let Some(kept) = kept {
            kept.size += chunk.text.len() as u64;
        }
        if written.is_err() {
            // What follows a torn record could not be read.
            self.open.remove(&chunk.id);
        }
        written
    }

    /// Removes the oldest files where another one would be too many or too much.
    fn make_room(&mut self) {
        let mut bytes: u64 = self.kept.iter().map(|kept| kept.size).sum();
        let mut gone = 0;
        let mut count = self.kept.len();
        for kept in &self.kept {
            if count < QLOG_FILES && bytes + QLOG_FILE_BYTES as u64 <= QLOG_BYTES {
                break;
            }
            let _ = fs::remove_file(&kept.path);
            (gone, count, bytes) = (gone + 1, count - 1, bytes - kept.size);
        }
        self.kept.drain(..gone);
    }
}

impl BatchSink<Chunks> for Files {
    fn write(&mut self, batch: &mut Chunks, lost: &Lost) {
        for chunk in &batch.list {
            match self.append(chunk) {
                Ok(()) => self.unwritable = false,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    lost.add(chunk.text.iter().filter(|byte| **byte == b'\n').count() as u64);
                    if !std::mem::replace(&mut self.unwritable, true) {
                        log::warn!(
                            "qlog: cannot write {} in {}: {error}",
                            chunk.name,
                            self.dir.display()
                        );
                    }
                }
            }
        }
        self.open.retain(|_, open| open.number.strong_count() > 0);
    }
}

/// Whether the name is one that a trace gets: nothing else is removed.
fn is_ours(name: &str) -> bool {
    let id = name.strip_suffix(ENDING).unwrap_or_default();
    !id.is_empty() && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).expect("dir").flatten();
        let mut names: Vec<_> =
            names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn traces_are_written_and_bounded_in_size() {
        let parent = tempfile::tempdir().expect("dir");
        let dir = parent.path().join("qlog");
        let traces = Traces::open(&dir).expect("open");
        let record = [b"\x1e".as_slice(), &[b'x'; 998], b"\n"].concat();
        let mut trace = traces.begin("0a").expect("room");
        for _ in 0..QLOG_FILE_BYTES / 1000 + 50 {
            trace.write_all(&record).expect("taken");
            if trace.text.is_empty() {
                traces.flush();
            }
        }
        trace.write_all(b"\x1e\n").expect("taken");
        drop(trace);
        traces.flush();
        let written = fs::read(dir.join("0a.sqlog")).expect("file");
        assert_eq!(written.len(), QLOG_FILE_BYTES / 1000 * 1000);
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&dir).expect("dir"));
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn so_many_are_open_at_once() {
        let dir = tempfile::tempdir().expect("dir");
        let traces = Traces::open(dir.path()).expect("open");
        let mut all: Vec<_> = (0..QLOG_OPEN).map_while(|n| traces.begin(&n.to_string())).collect();
        assert_eq!(all.len(), QLOG_OPEN);
        assert!(traces.begin("ff").is_none());
        all.pop();
        assert!(traces.begin("ff").is_some());
    }

    #[test]
    fn the_oldest_make_room_and_nothing_else() {
        let dir = tempfile::tempdir().expect("dir");
        let begin = std::time::SystemTime::now() - std::time::Duration::from_secs(10_000);
        for n in 0..QLOG_FILES + 5 {
            let file = File::create(dir.path().join(format!("{n:08x}.sqlog"))).expect("create");
            file.set_len(if n == 0 { QLOG_BYTES } else { 1 }).expect("size");
            file.set_modified(begin + std::time::Duration::from_secs(n as u64)).expect("time");
        }
        for other in ["notes.sqlog", "keep.txt", ".sqlog"] {
            fs::write(dir.path().join(other), "mine").expect("write");
        }
        let traces = Traces::open(dir.path()).expect("open");
        for name in ["aa", "bb", "aa"] {
            traces.begin(name).expect("room").write_all(b"\x1e{}\n").expect("taken");
        }
        traces.flush();
        let names = names(dir.path());
        assert_eq!(names.len(), QLOG_FILES + 3);
        let gone = (0..7).map(|n| format!("{n:08x}.sqlog"));
        assert!(gone.into_iter().all(|name| !names.contains(&name)), "the oldest have gone");
        for kept in ["aa.sqlog", "bb.sqlog", "notes.sqlog", "keep.txt", ".sqlog"] {
            assert!(names.contains(&kept.to_owned()), "{kept}");
        }
        // The name that came twice is that of the first trace.
        assert_eq!(fs::read(dir.path().join("aa.sqlog")).expect("file"), b"\x1e{}\n");
    }

    #[test]
    fn what_cannot_be_a_directory_is_told() {
        let dir = tempfile::tempdir().expect("dir");
        fs::write(dir.path().join("file"), "").expect("write");
        assert!(Traces::open(&dir.path().join("file")).is_err());
        assert!(Traces::open(&dir.path().join("file/sub")).is_err());
    }
}
