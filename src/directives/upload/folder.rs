//! The folder that uploads go to. Its paths are walked name by name, and no link is followed: what
//! is written stays below it.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, fsync, unlinkat};

use super::names::Names;

const DIRECTORY: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// A folder below the one that uploads go to, as far as the path is there.
struct Place {
    folder: OwnedFd,
    /// Folders that are not there yet.
    missing: Vec<String>,
}

impl Place {
    /// Walks the names but for the last.
    fn walk(to: &Path, names: &Names) -> io::Result<Self> {
        // This one the operator named, by links if he likes.
        let root = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut folder = open(to, root, Mode::empty())?;
        let folders = names.folders();
        for (at, name) in folders.iter().enumerate() {
            match enter(&folder, name) {
                Ok(next) => folder = next,
                Err(Errno::ENOENT) => {
                    return Ok(Self { folder, missing: folders[at..].to_vec() });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self { folder, missing: Vec::new() })
    }

    /// Makes the folders that are missing.
    fn make(self) -> io::Result<OwnedFd> {
        let mut folder = self.folder;
        for name in &self.missing {
            match mkdirat(&folder, name.as_str(), Mode::from_bits_truncate(0o777)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => return Err(error.into()),
            }
            folder = enter(&folder, name)?;
        }
        Ok(folder)
    }

    fn found(self) -> io::Result<OwnedFd> {
        if self.missing.is_empty() { Ok(self.folder) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

/// The folder of a name in another; `ELOOP` if the name is a link.
fn enter(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let is_link = || kind(folder, name) == Some(SFlag::S_IFLNK);
    openat(folder, name, DIRECTORY, Mode::empty()).map_err(|error| match error {
        // The kernel says so of a link too.
        Errno::ENOTDIR if is_link() => Errno::ELOOP,
        error => error,
    })
}

/// What is in a folder by a name.
fn kind(folder: &OwnedFd, name: &str) -> Option<SFlag> {
    let about = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
    Some(SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT)
}

/// Whether something was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    Something,
}

/// A file under a name of its own until it is whole. Dropping it removes it.
pub(super) struct Draft {
    place: Option<Place>,
    /// Its name so far, in the folder of its place.
    so_far: String,
    name: String,
    file: File,
}

impl Draft {
    pub(super) fn new(to: &Path, names: &Names) -> io::Result<Self> {
        let place = Place::walk(to, names)?;
        let so_far = format!(".upload-{:016x}", fastrand::u64(..));
        let how =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&place.folder, so_far.as_str(), how, Mode::from_bits_truncate(0o666))?;
        let name = names.last().to_owned();
        Ok(Self { place: Some(place), so_far, name, file: file.into() })
    }

    pub(super) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.file.write_all(data)
    }

    /// Gives the file its name, after it and before its folder are on the disk.
    pub(super) fn publish(mut self) -> io::Result<Before> {
        self.file.sync_all()?;
        let Some(place) = &self.place else { return Err(io::ErrorKind::NotFound.into()) };
        let from = place.folder.try_clone()?;
        let made = Place { folder: from.try_clone()?, missing: place.missing.clone() }.make()?;
        let before = match kind(&made, &self.name) {
            None => Before::Nothing,
            Some(SFlag::S_IFDIR) => return Err(Errno::EISDIR.into()),
            Some(_) => Before::Something,
        };
        renameat(&from, self.so_far.as_str(), &made, self.name.as_str())?;
        self.place = None;
        fsync(&made)?;
        Ok(before)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            let _ = unlinkat(&place.folder, self.so_far.as_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// Whether what is in the way of a move is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overwrite {
    Yes,
    No,
}

/// Renames a file or folder. An error of kind `AlreadyExists` if something is in the way.
pub(super) fn rename(
    to: &Path,
    old: &Names,
    new: &Names,
    overwrite: Overwrite,
) -> io::Result<Before> {
    let from = Place::walk(to, old)?.found()?;
    kind(&from, old.last()).ok_or(io::ErrorKind::NotFound)?;
    let into = Place::walk(to, new)?.make()?;
    let before = match kind(&into, new.last()) {
        None => Before::Nothing,
        Some(_) if overwrite == Overwrite::No => return Err(io::ErrorKind::AlreadyExists.into()),
        Some(_) => Before::Something,
    };
    renameat(&from, old.last(), &into, new.last())?;
    fsync(&into)?;
    Ok(before)
}

/// Removes a file, or a folder with all that it has.
pub(super) fn remove(to: &Path, names: &Names) -> io::Result<()> {
    let folder = Place::walk(to, names)?.found()?;
    match kind(&folder, names.last()) {
        None => Err(io::ErrorKind::NotFound.into()),
        Some(SFlag::S_IFDIR) => {
            // The way over the open folder is the one that was walked.
            let way = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
            std::fs::remove_dir_all(way.join(names.last()))
        }
        Some(_) => Ok(unlinkat(&folder, names.last(), UnlinkatFlags::NoRemoveDir)?),
    }
}
