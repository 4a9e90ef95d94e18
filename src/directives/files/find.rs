//! Looks up a file on the disk. All functions block and run on the blocking pool.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderValue;

use crate::http::preconditions::Validators;
use crate::own_files::body::{CHUNK, Source};
use crate::own_files::{State, content_type, is_hidden, open_file};
use crate::site::Scripts;

/// A file up to this many bytes is read completely when it is requested repeatedly.
const HOT: u64 = 128 * 1024;
/// Where the files of a site are.
pub(super) struct Place {
    pub(super) root: PathBuf,
    pub(super) index: Vec<String>,
    pub(super) hidden: Vec<PathBuf>,
    /// Files that are run and never sent.
    pub(super) scripts: Arc<Scripts>,
}

/// Content codings of precompressed files; of these, Brotli's are the smallest.
pub(super) const CODINGS: [&str; 3] = ["br", "zstd", "gzip"];

/// The [`CODINGS`] that the client accepts, the preferred one first.
pub(super) type Accepted = [Option<&'static str>; CODINGS.len()];

/// The parameters of a look-up.
pub(super) struct Lookup {
    /// Relative to the root.
    pub(super) path: PathBuf,
    pub(super) slash: bool,
    pub(super) accepted: Accepted,
    /// The result of the previous look-up.
    pub(super) known: Option<Arc<Opened>>,
}

/// The result of a look-up.
pub(super) enum Outcome {
    File(Arc<Opened>),
    /// The path must get or lose its trailing slash.
    Redirect(Slash),
}

/// The required change of a path's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slash {
    Add,
    Remove,
}

/// A file and the metadata for its response.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) path: Arc<Path>,
    pub(super) source: Source,
    pub(super) size: u64,
    pub(super) length: HeaderValue,
    pub(super) validators: Validators,
    /// The type of the original, also for a precompressed file.
    pub(super) content_type: HeaderValue,
    pub(super) encoding: Option<&'static str>,
    /// Whether the response depends on the client's Accept-Encoding.
    pub(super) varies: bool,
    /// Whether any later change is detectable in its [`State`].
    pub(super) is_settled: bool,
    /// The states of the original and of the file that is sent.
    states: [State; 2],
}

impl Opened {
    /// The state of the file that is sent.
    pub(super) fn state(&self) -> State {
        self.states[1]
    }

    /// Whether an open file is unchanged; content in memory always is. The call needs no disk
    /// access.
    pub(super) fn holds(&self) -> bool {
        match &self.source {
            Source::Content(_) => true,
            Source::File(file) => {
                file.metadata().is_ok_and(|about| State::of(&about) == self.states[1])
            }
        }
    }
}

/// Finds the file, a directory's index file, or a precompressed version of either. Returns the
/// known result if nothing has changed.
pub(super) fn find(place: &Place, wanted: &Lookup) -> io::Result<Outcome> {
    let mut path = place.root.join(&wanted.path);
    let (original, about) = match open(place, &path)? {
        Entry::Directory if !wanted.slash => return Ok(Outcome::Redirect(Slash::Add)),
        Entry::File(..) if wanted.slash => return Ok(Outcome::Redirect(Slash::Remove)),
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
        return Ok(Outcome::File(known.clone()));
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
    let path = path.into();
    Ok(Outcome::File(Arc::new(Opened { path, content_type, encoding, varies, ..opened })))
}

/// Reads the file if it is small, and collects the metadata for its response.
fn take(file: File, most: u64, states: [State; 2]) -> io::Result<Opened> {
    let size = states[1].size;
    let modified = states[1].modified().filter(|time| *time > SystemTime::UNIX_EPOCH);
    let mut is_settled = states.iter().all(State::is_settled);
    let source = if size <= most {
        let content = read(&file, size)?;
        // Content that was changed while it was read is used for this request only.
        is_settled &= State::of(&file.metadata()?) == states[1];
        Source::Content(content)
    } else {
        Source::File(Arc::new(file))
    };
    Ok(Opened {
        path: Path::new("").into(),
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

/// Reads exactly the first `len` bytes; fewer are an error, as the file has just had them.
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
    let (file, about) = open_file(path, &place.hidden)?;
    Ok(Entry::File(file, about))
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

/// Whether there is a precompressed file for any of the codings.
fn has_sibling(place: &Place, path: &Path) -> bool {
    CODINGS.iter().any(|coding| {
        let about = fs::metadata(coded(path, coding));
        about.is_ok_and(|about| about.is_file() && !is_hidden(&place.hidden, &about))
    })
}

fn coded(path: &Path, coding: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(match coding {
        "br" => ".br",
        "zstd" => ".zst",
        _ => ".gz",
    });
    name.into()
}
