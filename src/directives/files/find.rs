//! Looks a file up on the disk. Everything here blocks and runs on the blocking pool.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderValue;
use nix::fcntl::OFlag;

use super::content_type;
use super::preconditions::Validators;
use crate::site::Scripts;

/// Bytes of a file that are read at once, and of one that is read whole when it is found.
pub(super) const CHUNK: u64 = 64 * 1024;
/// Bytes of a file that is read whole when it is asked for again and again.
const HOT: u64 = 128 * 1024;
/// A file that changed less than this ago may change once more within one tick of the file
/// system's clock, which would not show: it is not kept.
const SETTLED: Duration = Duration::from_secs(1);

/// Where a site's files are.
pub(super) struct Place {
    pub(super) root: PathBuf,
    pub(super) index: Vec<String>,
    pub(super) hidden: Vec<PathBuf>,
    /// What is run and never sent.
    pub(super) scripts: Arc<Scripts>,
}

/// Content codings of compressed siblings.
pub(super) const CODINGS: [&str; 2] = ["br", "gzip"];

/// Those of [`CODINGS`] that the client takes, the most welcome first.
pub(super) type Accepted = [Option<&'static str>; 2];

/// What one request asks for.
pub(super) struct Wanted {
    /// Below the root.
    pub(super) path: PathBuf,
    pub(super) slash: bool,
    pub(super) accepted: Accepted,
    /// What the same request got before.
    pub(super) known: Option<Arc<Opened>>,
}

/// What is there.
pub(super) enum Found {
    File(Arc<Opened>),
    /// The path needs another ending.
    Redirect(Slash),
}

/// What a path's ending lacks or has too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slash {
    Add,
    Remove,
}

/// A file's content, or the way to it.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Content(Bytes),
    File(Arc<File>),
}

/// A file that was found, and what a response says about it.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) source: Source,
    pub(super) size: u64,
    pub(super) length: HeaderValue,
    pub(super) validators: Validators,
    /// The type of the original, also for a compressed sibling.
    pub(super) content_type: HeaderValue,
    pub(super) encoding: Option<&'static str>,
    /// Whether another client may get another coding of it.
    pub(super) varies: bool,
    /// Whether a later change of the file is sure to show in its [`State`].
    pub(super) is_settled: bool,
    /// Of the original and of what is sent.
    states: [State; 2],
}

impl Opened {
    /// Whether an open file still is what its response would say; what is in memory does not
    /// change. It asks for what the kernel has at hand.
    pub(super) fn holds(&self) -> bool {
        match &self.source {
            Source::Content(_) => true,
            Source::File(file) => {
                file.metadata().is_ok_and(|about| State::of(&about) == self.states[1])
            }
        }
    }
}

/// What tells one state of one file from every other. The time of the last change is the
/// kernel's own: nobody can set it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    device: u64,
    inode: u64,
    size: u64,
    modified: Timestamp,
    changed: Timestamp,
}

impl State {
    fn of(about: &Metadata) -> Self {
        Self {
            device: about.dev(),
            inode: about.ino(),
            size: about.size(),
            modified: Timestamp { seconds: about.mtime(), nanos: about.mtime_nsec() },
            changed: Timestamp { seconds: about.ctime(), nanos: about.ctime_nsec() },
        }
    }

    fn is_settled(&self) -> bool {
        let age = self.changed.system_time().map(|changed| changed.elapsed());
        matches!(age, Some(Ok(age)) if age >= SETTLED)
    }
}

/// Since 1970-01-01T00:00:00Z, as `stat` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timestamp {
    seconds: i64,
    nanos: i64,
}

impl Timestamp {
    /// `None` before 1970.
    fn system_time(self) -> Option<SystemTime> {
        let age = Duration::new(self.seconds.try_into().ok()?, self.nanos.try_into().ok()?);
        SystemTime::UNIX_EPOCH.checked_add(age)
    }
}

/// Finds the file, a directory's index file, or a compressed sibling of either. Where nothing
/// changed since, what is known already comes back.
pub(super) fn find(place: &Place, wanted: &Wanted) -> io::Result<Found> {
    let mut path = place.root.join(&wanted.path);
    let (original, about) = match open(place, &path)? {
        Entry::Directory if !wanted.slash => return Ok(Found::Redirect(Slash::Add)),
        Entry::File(..) if wanted.slash => return Ok(Found::Redirect(Slash::Remove)),
        Entry::File(file, about) => (file, about),
        Entry::Directory => {
            let (index, file, about) = index(place, &path)?;
            path = index;
            (file, about)
        }
    };
    let sibling = sibling(place, &path, wanted.accepted);
    let encoding = sibling.as_ref().map(|(coding, ..)| *coding);
    let varies = encoding.is_some() || has_sibling(place, &path);
    let states = [State::of(&about), State::of(sibling.as_ref().map_or(&about, |(.., its)| its))];
    let known = wanted.known.as_ref();
    let known = known.filter(|known| {
        known.states == states && known.encoding == encoding && known.varies == varies
    });
    if let Some(known) = known
        && (matches!(known.source, Source::Content(_)) || known.size > HOT)
    {
        return Ok(Found::File(known.clone()));
    }
    let content_type = match content_type::by_name(&path) {
        Some(known) => known,
        None => content_type::by_content(&read(&original, about.len().min(content_type::SAMPLE))?)
            .to_owned(),
    };
    let file = sibling.map_or(original, |(_, file, _)| file);
    let most = if known.is_some() { HOT } else { CHUNK };
    let opened = take(file, most, states)?;
    let content_type = HeaderValue::try_from(content_type).map_err(io::Error::other)?;
    Ok(Found::File(Arc::new(Opened { content_type, encoding, varies, ..opened })))
}

/// Reads the file if it is small, and makes what its response says.
fn take(file: File, most: u64, states: [State; 2]) -> io::Result<Opened> {
    let State { size, modified, .. } = states[1];
    let modified = modified.system_time().filter(|time| *time > SystemTime::UNIX_EPOCH);
    let mut is_settled = states.iter().all(State::is_settled);
    let source = if size <= most {
        let content = read(&file, size)?;
        // What was written to meanwhile is nobody's content but this request's.
        is_settled &= State::of(&file.metadata()?) == states[1];
        Source::Content(content)
    } else {
        Source::File(Arc::new(file))
    };
    Ok(Opened {
        source,
        size,
        length: size.into(),
        validators: Validators::new(modified, size),
        content_type: HeaderValue::from_static("application/octet-stream"),
        encoding: None,
        varies: false,
        is_settled,
        states,
    })
}

/// Reads exactly the first `len` bytes; fewer are an error, for the file has just had them.
fn read(file: &File, len: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(&mut buffer, 0)?;
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
    place.scripts.refuse(path)?;
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
    let mut refused = None;
    for name in &place.index {
        let path = directory.join(name);
        match open(place, &path) {
            Ok(Entry::File(file, about)) => return Ok((path, file, about)),
            Ok(Entry::Directory) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                refused = refused.or(error.get_ref().is_some().then_some(error));
            }
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

fn sibling(
    place: &Place,
    path: &Path,
    accepted: Accepted,
) -> Option<(&'static str, File, Metadata)> {
    accepted.into_iter().flatten().find_map(|coding| match open(place, &coded(path, coding)) {
        Ok(Entry::File(file, about)) => Some((coding, file, about)),
        Ok(Entry::Directory) | Err(_) => None,
    })
}

/// Whether there is a compressed sibling for whoever accepts its coding.
fn has_sibling(place: &Place, path: &Path) -> bool {
    CODINGS.iter().any(|coding| {
        let about = fs::metadata(coded(path, coding));
        about.is_ok_and(|about| about.is_file() && !is_hidden(place, &about))
    })
}

fn coded(path: &Path, coding: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(if coding == "br" { ".br" } else { ".gz" });
    name.into()
}
