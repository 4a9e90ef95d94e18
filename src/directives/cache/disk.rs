//! Content on disk: one file without a name for each store, and which parts of it are taken. It
//! goes with the process, however that ends, and is never larger than its bound.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::http::Body;
use crate::http::byte_ranges::ByteRange;
use crate::own_files::body::{FileBody, Piece, Source};

/// What a part begins and ends at, as file systems allocate.
const BLOCK: u64 = 4096;

/// A file for content.
#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    file: Mutex<Option<Arc<File>>>,
    free: Mutex<Free>,
    has_failed: AtomicBool,
}

/// A part of the file; another one's when this is dropped.
#[derive(Debug)]
pub(super) struct Extent {
    disk: Arc<Disk>,
    at: u64,
    len: usize,
}

/// What is written.
#[derive(Debug)]
pub(super) struct Written {
    extent: Extent,
    file: Arc<File>,
}

impl Disk {
    /// Opens nothing yet: loading has no effect.
    pub(super) fn new(directory: &Path, bytes: u64) -> Arc<Self> {
        let free = Free::new(bytes / BLOCK * BLOCK);
        Arc::new(Self {
            directory: directory.to_owned(),
            file: Mutex::default(),
            free: Mutex::new(free),
            has_failed: AtomicBool::new(false),
        })
    }

    /// Whether so much could ever be there.
    pub(super) fn is_for(&self, len: usize) -> bool {
        blocks(len) <= self.free.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// A part for so many bytes, if there is one.
    pub(super) fn take(self: &Arc<Self>, len: usize) -> Option<Extent> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.take(blocks(len)).map(|at| Extent { disk: self.clone(), at, len })
    }

    fn open(&self) -> io::Result<Arc<File>> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*file {
            return Ok(file.clone());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let opened = Arc::new(tempfile::tempfile_in(&self.directory)?);
        Ok(file.insert(opened).clone())
    }
}

impl Extent {
    /// Writes content of the length that it was taken for; blocks. The log says once why it cannot.
    pub(super) fn write(self, content: &[u8]) -> Option<Written> {
        let disk = self.disk.clone();
        let written = disk.open().and_then(|file| {
            file.write_all_at(content, self.at)?;
            Ok(Written { extent: self, file })
        });
        let has_failed = disk.has_failed.swap(written.is_err(), Ordering::Relaxed);
        if let Err(error) = &written
            && !has_failed
        {
            let shown = disk.directory.display();
            log::error!("cache: cannot keep content in {shown}, it stays in memory: {error}");
        }
        written.ok()
    }
}

impl Drop for Extent {
    fn drop(&mut self) {
        let mut free = self.disk.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.give(self.at, blocks(self.len));
    }
}

impl Written {
    pub(super) fn len(&self) -> usize {
        self.extent.len
    }

    /// A part of the content.
    pub(super) fn body(self: &Arc<Self>, range: Range<usize>) -> Body {
        let span =
            ByteRange { start: self.extent.at + range.start as u64, len: range.len() as u64 };
        let source = Source::File(self.file.clone());
        let file = FileBody::new(source, vec![Piece::Span(span)]);
        Body::new(Sending { file, _written: self.clone() })
    }
}

/// Keeps the part of the file from being another one's meanwhile.
struct Sending {
    file: FileBody,
    _written: Arc<Written>,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.file).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.file.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.file.size_hint()
    }
}

fn blocks(len: usize) -> u64 {
    (len as u64).div_ceil(BLOCK) * BLOCK
}

/// The parts that nobody has: where each begins, and its length.
#[derive(Debug)]
struct Free {
    parts: BTreeMap<u64, u64>,
    all: u64,
}

impl Free {
    fn new(all: u64) -> Self {
        Self { parts: BTreeMap::from([(0, all)]), all }
    }

    /// The first part that is large enough.
    fn take(&mut self, len: u64) -> Option<u64> {
        let (at, found) = self.parts.iter().find(|(_, found)| **found >= len)?;
        let (at, found) = (*at, *found);
        self.parts.remove(&at);
        if found > len {
            self.parts.insert(at + len, found - len);
        }
        Some(at)
    }

    fn give(&mut self, mut at: u64, mut len: u64) {
        if let Some(behind) = self.parts.remove(&(at + len)) {
            len += behind;
        }
        if let Some((&before, &found)) = self.parts.range(..at).next_back()
            && before + found == at
        {
            (at, len) = (before, found + len);
        }
        self.parts.insert(at, len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_never_overlap_and_all_come_back() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::new(directory.path(), 100 * BLOCK + 5);
        let mut random = fastrand::Rng::with_seed(1);
        let mut taken: Vec<Extent> = Vec::new();
        for _ in 0..20_000 {
            if random.bool() {
                let len = random.usize(1..20 * BLOCK as usize);
                taken.extend(disk.take(len));
            } else if !taken.is_empty() {
                taken.swap_remove(random.usize(..taken.len()));
            }
            let mut parts: Vec<_> = taken.iter().map(|one| (one.at, blocks(one.len))).collect();
            parts.extend(disk.free.lock().unwrap().parts.clone());
            parts.sort_unstable();
            let end = parts.iter().fold(0, |end, (at, len)| {
                assert_eq!(*at, end, "{parts:?}");
                at + len
            });
            assert_eq!(end, 100 * BLOCK);
        }
        taken.clear();
        assert_eq!(disk.free.lock().unwrap().parts, BTreeMap::from([(0, 100 * BLOCK)]));
        assert!(disk.is_for(100 * BLOCK as usize) && !disk.is_for(100 * BLOCK as usize + 1));
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_no_place() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let disk = Disk::new(&file, 10 * BLOCK);
        let extent = disk.take(5).unwrap();
        assert!(extent.write(b"abcde").is_none());
        let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(names.len(), 1);
        assert_eq!(disk.free.lock().unwrap().parts.len(), 1, "it comes back");
    }
}
