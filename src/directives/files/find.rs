//! Looks a file up on the disk. Everything here blocks and runs on the blocking pool.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use nix::fcntl::OFlag;

use super::body::CHUNK;
use super::kind;

/// Where a site's files are.
pub(super) struct Place {
    pub(super) root: PathBuf,
    pub(super) index: Vec<String>,
    pub(super) hidden: Vec<PathBuf>,
}

/// What one request asks for.
pub(super) struct Wanted {
    /// Below the root.
    pub(super) path: PathBuf,
    pub(super) slash: bool,
    /// Content codings that the client takes, `br` or `gzip`, the most welcome first.
    pub(super) codings: Vec<&'static str>,
    /// Whether a small file's content will surely be needed: it is then read at once.
    pub(super) prefetch: bool,
}

/// What is there.
pub(super) enum Found {
    File(Opened),
    /// The path needs another ending.
    Redirect(Slash),
}

/// What a path's ending lacks or has too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slash {
    Add,
    Remove,
}

/// A file open for reading.
pub(super) struct Opened {
    pub(super) file: Arc<File>,
    pub(super) size: u64,
    pub(super) modified: Option<SystemTime>,
    /// The type of the original, also for a compressed sibling.
    pub(super) content_type: String,
    pub(super) encoding: Option<&'static str>,
    /// The whole content, where it was prefetched.
    pub(super) content: Option<Bytes>,
}

/// Finds the file, a directory's index file, or a compressed sibling of either.
pub(super) fn find(place: &Place, wanted: &Wanted) -> io::Result<Found> {
    let mut path = place.root.join(&wanted.path);
    let (mut file, mut about) = match open(place, &path)? {
        Entry::Directory if !wanted.slash => return Ok(Found::Redirect(Slash::Add)),
        Entry::File(..) if wanted.slash => return Ok(Found::Redirect(Slash::Remove)),
        Entry::File(file, about) => (file, about),
        Entry::Directory => {
            let (index, file, about) = index(place, &path)?;
            path = index;
            (file, about)
        }
    };
    let content_type = match kind::by_name(&path) {
        Some(known) => known,
        None => kind::by_content(&read(&file, 0, about.len().min(kind::SAMPLE))?).to_owned(),
    };
    let mut encoding = None;
    for coding in &wanted.codings {
        let mut name = OsString::from(path.as_os_str());
        name.push(if *coding == "br" { ".br" } else { ".gz" });
        if let Ok(Entry::File(sibling, its)) = open(place, Path::new(&name)) {
            (file, about, encoding) = (sibling, its, Some(*coding));
            break;
        }
    }
    let size = about.len();
    let is_small = wanted.prefetch && size <= CHUNK;
    let content = if is_small { Some(read(&file, 0, size)?) } else { None };
    let modified = about.modified().ok().filter(|time| *time > SystemTime::UNIX_EPOCH);
    let file = Arc::new(file);
    Ok(Found::File(Opened { file, size, modified, content_type, encoding, content }))
}

/// Reads exactly `len` bytes at `at`; fewer are an error, for their number has been announced.
pub(super) fn read(file: &File, at: u64, len: u64) -> io::Result<Bytes> {
    let len = usize::try_from(len).map_err(io::Error::other)?;
    let mut buffer = vec![0; len];
    file.read_exact_at(&mut buffer, at)?;
    Ok(buffer.into())
}

enum Entry {
    Directory,
    File(File, Metadata),
}

fn open(place: &Place, path: &Path) -> io::Result<Entry> {
    let about = fs::metadata(path)?;
    if about.is_dir() {
        return Ok(Entry::Directory);
    }
    if !about.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    // Should the name have become a pipe since, opening it does not wait for a writer.
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() || is_hidden(place, &about) {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(Entry::File(file, about))
}

/// Compares device and inode, asked anew each time: an editor replaces a file by another, and a
/// link may give it any name.
fn is_hidden(place: &Place, about: &Metadata) -> bool {
    place.hidden.iter().any(|path| {
        fs::metadata(path).is_ok_and(|own| own.dev() == about.dev() && own.ino() == about.ino())
    })
}

fn index(place: &Place, directory: &Path) -> io::Result<(PathBuf, File, Metadata)> {
    for name in &place.index {
        let path = directory.join(name);
        match open(place, &path) {
            Ok(Entry::File(file, about)) => return Ok((path, file, about)),
            Ok(Entry::Directory) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}
