//! A file that is written before it has its name.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag};
use nix::unistd::{UnlinkatFlags, fsync, linkat, unlinkat};

use super::access::{Before, open_in};
use super::area::Area;
use super::attribute::{read_attribute, write_attribute};
use super::place::{Place, kind};

/// What the names of files begin with that are not whole.
const SO_FAR: &str = ".upload-";

/// One that nobody has written to for so long belongs to a process that was killed.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

/// A file without a name until it is whole, so that nothing of it is left, even where the process
/// is killed, but in the moment in which it takes the place of another one. On a file system that
/// cannot do so (NFS) it has a name of its own, and dropping it removes it.
pub struct Draft {
    folder: OwnedFd,
    /// Folders that are not there yet.
    missing: Vec<String>,
    /// Its name so far, if it has one.
    so_far: Option<String>,
    name: String,
    file: File,
}

fn other_name() -> String {
    format!("{SO_FAR}{:016x}", fastrand::u64(..))
}

impl Draft {
    pub fn new(area: &Area, names: &[String]) -> io::Result<Self> {
        let name = names.last().ok_or(Errno::EISDIR)?.to_owned();
        let place = Place::walk(area, names)?;
        Self::begin(place, name, OFlag::O_TMPFILE)
    }

    /// `nameless`: what opens a file without a name.
    fn begin(place: Place, name: String, nameless: OFlag) -> io::Result<Self> {
        let Place { folder, missing } = place;
        let mode = Mode::from_bits_truncate(0o666);
        let how = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let (file, so_far) = match openat(&folder, ".", how | nameless, mode) {
            Ok(file) => (file, None),
            // As kernels say it of file systems that have no such files.
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL | Errno::ENOENT) => {
                sweep(&folder);
                let so_far = other_name();
                let how = how | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
                (openat(&folder, so_far.as_str(), how, mode)?, Some(so_far))
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Self { folder, missing, so_far, name, file: file.into() })
    }

    pub fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.file.write_all(data)
    }

    /// The content of another file.
    pub(super) fn fill(&mut self, mut from: &File) -> io::Result<()> {
        io::copy(&mut from, &mut self.file).map(|_| ())
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Gives it the attribute of the file that it replaces.
    pub fn keep_attribute(&self, name: &str) -> io::Result<()> {
        if !self.missing.is_empty() || kind(&self.folder, &self.name) != Some(SFlag::S_IFREG) {
            return Ok(());
        }
        let old = open_in(&self.folder, &self.name)?;
        match read_attribute(&old, name)? {
            Some(value) => write_attribute(&self.file, name, &value),
            None => Ok(()),
        }
    }

    /// Gives the file its name, after it and before its folder are on the disk.
    pub fn publish(self) -> io::Result<Before> {
        self.sync()?;
        self.give_name()?.sync()
    }

    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Gives the file its name, which comes to the disk by `Named::sync`.
    pub fn give_name(mut self) -> io::Result<Named> {
        let place =
            Place { folder: self.folder.try_clone()?, missing: std::mem::take(&mut self.missing) };
        let made = place.make()?;
        let before = match kind(&made, &self.name) {
            None => Before::Nothing,
            Some(SFlag::S_IFDIR) => return Err(Errno::EISDIR.into()),
            Some(_) => Before::Something,
        };
        if before == Before::Something || !self.link(&made, &self.name.clone())? {
            self.replace(&made)?;
        }
        Ok(Named { folder: made, before })
    }

    /// Gives a file without a name one; not if the name is taken, or the file has one.
    fn link(&self, folder: &OwnedFd, name: &str) -> io::Result<bool> {
        if self.so_far.is_some() {
            return Ok(false);
        }
        let way = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        match linkat(AT_FDCWD, way.as_str(), folder, name, AtFlags::AT_SYMLINK_FOLLOW) {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts the file in the place of another one, which takes a name in between.
    fn replace(&mut self, folder: &OwnedFd) -> io::Result<()> {
        if self.so_far.is_none() {
            sweep(&self.folder);
            let so_far = other_name();
            let beside = self.folder.try_clone()?;
            if !self.link(&beside, &so_far)? {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            self.so_far = Some(so_far);
        }
        if let Some(so_far) = &self.so_far {
            renameat(&self.folder, so_far.as_str(), folder, self.name.as_str())?;
        }
        self.so_far = None;
        Ok(())
    }
}

/// A file that has its name.
pub struct Named {
    folder: OwnedFd,
    before: Before,
}

impl Named {
    pub fn sync(self) -> io::Result<Before> {
        fsync(&self.folder)?;
        Ok(self.before)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(so_far) = &self.so_far {
            let _ = unlinkat(&self.folder, so_far.as_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// Removes what processes that were killed have left in a folder.
fn sweep(folder: &OwnedFd) {
    let way = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    for entry in std::fs::read_dir(&way).into_iter().flatten().flatten() {
        if !entry.file_name().to_str().is_some_and(is_other_name) {
            continue;
        }
        let is_forgotten = entry.metadata().is_ok_and(|about| {
            let age =
                about.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            about.is_file() && age.is_some_and(|age| age > FORGOTTEN)
        });
        if is_forgotten {
            let _ = unlinkat(folder, &*entry.file_name(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

pub(super) fn is_other_name(name: &str) -> bool {
    let digits = name.strip_prefix(SO_FAR);
    digits.is_some_and(|text| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn names(root: &Path) -> Vec<String> {
        let entries = fs::read_dir(root).unwrap().flatten();
        let mut names: Vec<_> = entries.map(|e| e.file_name().display().to_string()).collect();
        names.sort();
        names
    }

    /// Both ways: without a name, and with one as where the file system has no other.
    #[test]
    fn a_file_is_whole_or_not_there() {
        for (nameless, seen) in [(OFlag::O_TMPFILE, 0), (OFlag::O_DIRECTORY, 1)] {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            let area = &Area::new(root, Default::default());
            let draft = |name: &str| {
                let path: Vec<String> = name.split('/').map(str::to_owned).collect();
                let place = Place::walk(area, &path).unwrap();
                Draft::begin(place, path.last().unwrap().clone(), nameless).unwrap()
            };
            let mut first = draft("d/a");
            first.write(b"one").unwrap();
            assert_eq!(names(root).len(), seen);
            assert_eq!(first.publish().unwrap(), Before::Nothing);
            let mut second = draft("d/a");
            second.write(b"two").unwrap();
            assert_eq!(second.publish().unwrap(), Before::Something);
            drop(draft("d/b"));
            assert_eq!(fs::read(root.join("d/a")).unwrap(), b"two");
            assert_eq!((names(root), names(&root.join("d"))), (vec!["d".into()], vec!["a".into()]));
            assert!(draft("d").publish().is_err());
        }
    }

    #[test]
    fn what_killed_processes_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let area = &Area::new(root, Default::default());
        let long_ago = SystemTime::now() - 2 * FORGOTTEN;
        let begin = |name: &str, nameless| {
            let place = Place::walk(area, &[name.to_owned()]).unwrap();
            Draft::begin(place, name.to_owned(), nameless).unwrap()
        };
        // One that replaces a file has a name in between.
        for replaces in [false, true] {
            for (name, at) in [
                (".upload-0123456789abcdef", long_ago),
                (".upload-0123456789abcdee", SystemTime::now()),
                (".upload-notes", long_ago),
                ("a", long_ago),
            ] {
                let file = File::create(root.join(name)).unwrap();
                file.set_modified(at).unwrap();
            }
            if replaces {
                begin("a", OFlag::O_TMPFILE).publish().unwrap();
            } else {
                drop(begin("b", OFlag::O_DIRECTORY));
            }
            assert_eq!(names(root), [".upload-0123456789abcdee", ".upload-notes", "a"]);
        }
    }
}
