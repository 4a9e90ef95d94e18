//! A folder that clients may write to, and what in it they neither read nor change.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, fstat, fstatat};

use crate::http::paths::is_git;
use crate::own_files::{Ward, Withheld};

/// A folder for the time of one request.
#[derive(Debug, Clone, Default)]
pub struct Area {
    path: PathBuf,
    withheld: Arc<Withheld>,
    /// Looked up once.
    now: Arc<OnceLock<Now>>,
}

#[derive(Debug)]
struct Now {
    wards: Vec<Ward>,
    /// The folder without links.
    real: PathBuf,
}

impl Area {
    pub fn new(path: impl Into<PathBuf>, withheld: Arc<Withheld>) -> Self {
        Self { path: path.into(), withheld, now: Arc::default() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn now(&self) -> &Now {
        self.now.get_or_init(|| Now {
            wards: self.withheld.now(),
            real: self.path.canonicalize().unwrap_or_else(|_| self.path.clone()),
        })
    }

    /// `EACCES` if a name on a path is one that nobody reaches.
    pub(super) fn admits(&self, names: &[String]) -> io::Result<()> {
        if names.iter().any(is_git) { Err(Errno::EACCES.into()) } else { Ok(()) }
    }

    /// `EACCES` if the rest of a path from a folder is one of what is withheld, or the folder is.
    pub(super) fn allows(&self, folder: &OwnedFd, rest: &[String]) -> io::Result<()> {
        let wards = &self.now().wards;
        if wards.is_empty() {
            return Ok(());
        }
        let is = |ward: &Ward, id| {
            ward.id == Some(id)
                || ward.folder == Some(id) && ward.rest.iter().eq(rest.iter().map(OsStr::new))
        };
        let here = id(&fstat(folder)?);
        let last = match rest {
            [name] => fstatat(folder, name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW).ok(),
            _ => None,
        };
        let last = last.map(|about| id(&about));
        let is_withheld = |ward: &Ward| is(ward, here) || last.is_some() && ward.id == last;
        if wards.iter().any(is_withheld) { Err(Errno::EACCES.into()) } else { Ok(()) }
    }

    /// `EACCES` if what is withheld is, or would be, below a path.
    pub(super) fn has_nothing_withheld(&self, names: &[String]) -> io::Result<()> {
        let Now { wards, real } = self.now();
        let place = names.iter().fold(real.clone(), |place, name| place.join(name));
        let is_below = wards.iter().any(|ward| ward.path.starts_with(&place));
        if is_below { Err(Errno::EACCES.into()) } else { Ok(()) }
    }
}

fn id(about: &FileStat) -> [u64; 2] {
    [about.st_dev, about.st_ino]
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::confined::{Draft, Overwrite, look, make_folder, remove, rename};

    fn names(path: &str) -> Vec<String> {
        path.split('/').map(str::to_owned).collect()
    }

    fn status<T>(done: io::Result<T>) -> Option<Errno> {
        done.err().and_then(|error| error.raw_os_error()).map(Errno::from_raw)
    }

    /// By each of its names, and also where it is not there yet.
    #[test]
    fn what_is_withheld_is_neither_read_nor_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["real/conf", "real/free", "real/spare"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        fs::write(at("outside"), "").unwrap();
        fs::write(at("real/conf/users"), "").unwrap();
        fs::hard_link(at("real/conf/users"), at("real/free/same")).unwrap();
        symlink(at("outside"), at("real/free/link")).unwrap();
        symlink(at("real"), at("scope")).unwrap();
        let withheld = Arc::<Withheld>::default();
        let known = ["scope/conf/users", "real/conf/none", "real/free/link", "real/no/such/file"];
        withheld.add(&known.map(at));
        let area = || Area::new(at("scope"), withheld.clone());
        for path in ["conf/users", "conf/none", "free/same", "free/link", "no/such/file"] {
            let path = names(path);
            let moved = rename(&area(), &names("spare"), &path, Overwrite::Yes).map(drop);
            let done = [
                look(&area(), &path).map(drop),
                Draft::new(&area(), &path).map(drop),
                remove(&area(), &path),
                moved,
            ];
            assert_eq!(done.map(status), [Some(Errno::EACCES); 4], "{path:?}");
        }
        for path in ["conf", "no"] {
            let moved = rename(&area(), &names("spare"), &names(path), Overwrite::Yes);
            assert_eq!(status(moved), Some(Errno::EACCES), "{path}");
        }
        assert_eq!(status(remove(&area(), &names("conf"))), Some(Errno::EACCES));
        make_folder(&area(), &names("no")).unwrap();
        make_folder(&area(), &names("no/such")).unwrap();
        let draft = Draft::new(&area(), &names("no/such/file"));
        assert_eq!(status(draft), Some(Errno::EACCES));
        for path in ["free/file", "no/such/other", "conf/users.bak"] {
            Draft::new(&area(), &names(path)).unwrap().publish().unwrap();
        }
    }

    #[test]
    fn no_name_is_that_of_git() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/.git")).unwrap();
        let area = Area::new(folder.path(), Arc::default());
        for path in [".git", ".GIT/config", "a/.git/config", "a/.git"] {
            let path = names(path);
            let done = [
                look(&area, &path).map(drop),
                make_folder(&area, &path),
                Draft::new(&area, &path).map(drop),
                rename(&area, &names("a"), &path, Overwrite::Yes).map(drop),
            ];
            assert_eq!(done.map(status), [Some(Errno::EACCES); 4], "{path:?}");
        }
        for path in [".gitignore", "b.git", "git"] {
            make_folder(&area, &names(path)).unwrap();
        }
    }
}
