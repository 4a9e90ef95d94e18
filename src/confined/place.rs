//! The way to a file: folder by folder.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat};

use super::area::Area;

pub(super) const DIRECTORY: OFlag =
    OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// The folder of a path's last name, as far as the path is there.
pub(super) struct Place {
    pub(super) folder: OwnedFd,
    /// Folders that are not there yet.
    pub(super) missing: Vec<String>,
}

impl Place {
    /// Walks the names but for the last; `EACCES` on the way to what clients do not reach.
    pub(super) fn walk(area: &Area, names: &[String]) -> io::Result<Self> {
        area.admits(names)?;
        // This one the operator named, by links if he likes.
        let how = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut folder = open(area.path(), how, Mode::empty())?;
        area.allows(&folder, names)?;
        let folders = &names[..names.len().saturating_sub(1)];
        for (at, name) in folders.iter().enumerate() {
            match enter(&folder, name) {
                Ok(next) => {
                    folder = next;
                    area.allows(&folder, &names[at + 1..])?;
                }
                Err(Errno::ENOENT) => {
                    return Ok(Self { folder, missing: folders[at..].to_vec() });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self { folder, missing: Vec::new() })
    }

    /// Makes the folders that are missing.
    pub(super) fn make(self) -> io::Result<OwnedFd> {
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

    pub(super) fn found(self) -> io::Result<OwnedFd> {
        if self.missing.is_empty() { Ok(self.folder) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

/// The folder of a name in another; `ELOOP` if the name is a link.
pub(super) fn enter(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let is_link = || kind(folder, name) == Some(SFlag::S_IFLNK);
    openat(folder, name, DIRECTORY, Mode::empty()).map_err(|error| match error {
        // The kernel says so of a link too.
        Errno::ENOTDIR if is_link() => Errno::ELOOP,
        error => error,
    })
}

fn stat(folder: &OwnedFd, name: &str) -> Option<FileStat> {
    fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok()
}

/// What is in a folder by a name.
pub(super) fn kind(folder: &OwnedFd, name: &str) -> Option<SFlag> {
    let about = stat(folder, name)?;
    Some(SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Folder,
    File,
}

/// What is known of a file or folder.
#[derive(Debug, Clone, Copy)]
pub struct About {
    pub kind: Kind,
    pub size: u64,
    /// `None` before 1970.
    pub modified: Option<SystemTime>,
    pub inode: u64,
}

impl About {
    fn of(stat: &FileStat) -> Option<Self> {
        let kind = match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFDIR => Kind::Folder,
            SFlag::S_IFREG => Kind::File,
            _ => return None,
        };
        let nanos = u32::try_from(stat.st_mtime_nsec).ok();
        let age = u64::try_from(stat.st_mtime).ok().zip(nanos);
        let modified = age.map(|(seconds, nanos)| Duration::new(seconds, nanos));
        Some(Self {
            kind,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            modified: modified.and_then(|age| SystemTime::UNIX_EPOCH.checked_add(age)),
            inode: stat.st_ino,
        })
    }

    pub fn is_folder(&self) -> bool {
        self.kind == Kind::Folder
    }
}

/// What is known of a name in a folder; none of links and what is neither file nor folder.
pub(super) fn about(folder: &OwnedFd, name: &str) -> Option<About> {
    About::of(&stat(folder, name)?)
}

/// What is known of what is open.
pub(super) fn about_open(open: &OwnedFd) -> io::Result<About> {
    About::of(&fstat(open)?).ok_or_else(|| io::ErrorKind::NotFound.into())
}
