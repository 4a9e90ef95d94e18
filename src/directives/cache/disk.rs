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

/// Parts of the file; others' when this is dropped.
#[derive(Debug)]
pub(super) struct Extent {
    disk: Arc<Disk>,
    /// Whole blocks, in the order of the content.
    parts: Vec<Range<u64>>,
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

    /// Room for so many bytes, if there is as much.
    pub(super) fn take(self: &Arc<Self>, len: usize) -> Option<Extent> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.take(blocks(len)).map(|parts| Extent { disk: self.clone(), parts, len })
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
            for (part, span) in self.spans(0..content.len()) {
                file.write_all_at(&content[part], span.start)?;
            }
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

    /// The parts of a range of the content, and where in the file they are.
    fn spans(&self, range: Range<usize>) -> impl Iterator<Item = (Range<usize>, ByteRange)> {
        let mut begin = 0;
        self.parts.iter().filter_map(move |part| {
            let (from, end) = (begin, begin + (part.end - part.start) as usize);
            begin = end;
            let (first, last) = (range.start.max(from), range.end.min(end));
            let start = part.start + first.checked_sub(from)? as u64;
            let len = last.checked_sub(first).filter(|len| *len > 0)? as u64;
            Some((first..last, ByteRange { start, len }))
        })
    }
}

impl Drop for Extent {
    fn drop(&mut self) {
        let mut free = self.disk.free.lock().unwrap_or_else(PoisonError::into_inner);
        for part in &self.parts {
            free.give(part.start, part.end - part.start);
        }
    }
}

impl Written {
    pub(super) fn len(&self) -> usize {
        self.extent.len
    }

    /// A part of the content.
    pub(super) fn body(self: &Arc<Self>, range: Range<usize>) -> Body {
        let pieces = self.extent.spans(range).map(|(_, span)| Piece::Span(span));
        let file = FileBody::new(Source::File(self.file.clone()), pieces.collect());
        Body::new(Sending { file, _written: self.clone() })
    }
}

/// Keeps the parts of the file from being others' meanwhile.
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
    /// Bytes of all of these.
    left: u64,
    /// Bytes of the file.
    all: u64,
}

impl Free {
    fn new(all: u64) -> Self {
        Self { parts: BTreeMap::from([(0, all)]), left: all, all }
    }

    /// The first part that is large enough, or the largest ones that are enough together: content
    /// that needs one part would displace all around it until there is one.
    fn take(&mut self, len: u64) -> Option<Vec<Range<u64>>> {
        if self.left < len {
            return None;
        }
        let one = self.parts.iter().find(|(_, found)| **found >= len).map(|(at, _)| *at);
        let ats = one.map_or_else(|| self.largest(len), |at| vec![at]);
        let (mut missing, mut taken) = (len, Vec::with_capacity(ats.len()));
        for at in ats {
            let found = self.parts.remove(&at).unwrap_or_default();
            let used = found.min(missing);
            if found > used {
                self.parts.insert(at + used, found - used);
            }
            missing -= used;
            taken.push(at..at + used);
        }
        self.left -= len;
        Some(taken)
    }

    /// Where parts begin that have so many bytes together, as few as possible.
    fn largest(&self, len: u64) -> Vec<u64> {
        let mut sorted: Vec<_> = self.parts.iter().map(|(at, found)| (*found, *at)).collect();
        sorted.sort_unstable_by(|one, two| two.cmp(one));
        let mut sum = 0;
        let until = sorted.iter().position(|(found, _)| {
            sum += found;
            sum >= len
        });
        sorted[..=until.unwrap_or_default()].iter().map(|(_, at)| *at).collect()
    }

    fn give(&mut self, mut at: u64, mut len: u64) {
        self.left += len;
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
            let of = |one: &Extent| one.parts.clone();
            let mut parts: Vec<_> =
                taken.iter().flat_map(of).map(|p| (p.start, p.end - p.start)).collect();
            let free = disk.free.lock().unwrap();
            assert_eq!(free.left, free.parts.values().sum::<u64>());
            parts.extend(free.parts.clone());
            drop(free);
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

    #[tokio::test]
    async fn what_is_in_many_parts_comes_back_as_it_was() {
        use http_body_util::BodyExt as _;

        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::new(directory.path(), 10 * BLOCK);
        let mut small: Vec<_> = (0..10).map(|_| disk.take(1)).collect();
        for at in [1, 3, 4, 8] {
            small[at] = None;
        }
        assert!(disk.take(4 * BLOCK as usize + 1).is_none());
        let len = 3 * BLOCK as usize + 77;
        let content: Vec<u8> = (0..len).map(|at| (at / 7) as u8).collect();
        let written = Arc::new(disk.take(len).unwrap().write(&content).unwrap());
        assert_eq!(written.extent.parts.len(), 3, "{written:?}");
        let block = BLOCK as usize;
        for range in [0..len, 5..block, block - 1..block + 1, 3 * block + 76..len, 9..9] {
            let read = written.body(range.clone()).collect().await.unwrap().to_bytes();
            assert!(read == content[range.clone()], "{range:?}");
        }
        drop(written);
        assert!(disk.take(4 * block).is_some());
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
