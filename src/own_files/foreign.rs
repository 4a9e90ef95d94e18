//! Folders whose files clients may write: these files are sent, and never executed.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

/// Those of all sites of a configuration. They are added while it is read, in any order; what asks
/// does so later.
#[derive(Debug, Default)]
pub struct Foreign(ArcSwap<Vec<Folder>>);

#[derive(Debug, Clone)]
struct Folder {
    /// Without links.
    path: PathBuf,
    /// Device and inode, which a mount elsewhere has too.
    id: Option<[u64; 2]>,
}

fn id(path: &Path) -> Option<[u64; 2]> {
    let about = fs::metadata(path).ok()?;
    Some([about.dev(), about.ino()])
}

impl Folder {
    fn is(&self, path: &Path) -> bool {
        self.path == path || self.id.is_some() && self.id == id(path)
    }
}

impl Foreign {
    pub fn add(&self, folder: &Path) {
        let path = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        if self.0.load().iter().any(|known| known.path == path) {
            return;
        }
        let folder = Folder { id: id(&path), path };
        self.0.rcu(|known| {
            let mut known = Vec::clone(known);
            known.push(folder.clone());
            Arc::new(known)
        });
    }

    /// Whether an open file lies in one of them, by whatever links its name led there.
    pub fn holds(&self, file: &File) -> bool {
        if self.0.load().is_empty() {
            return false;
        }
        // Who cannot tell says yes.
        let place = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
        place.map_or(true, |place| self.is_above(place.parent()))
    }

    /// Whether a file or folder is or lies in one of them.
    pub fn holds_path(&self, path: &Path) -> bool {
        !self.0.load().is_empty()
            && path.canonicalize().is_ok_and(|path| self.is_above(Some(&path)))
    }

    /// Whether a folder has one of them, or lies in one.
    pub fn meets(&self, folder: &Path) -> bool {
        let Ok(folder) = folder.canonicalize() else { return false };
        let known = self.0.load();
        known.iter().any(|known| known.path.starts_with(&folder)) || self.holds_path(&folder)
    }

    fn is_above(&self, place: Option<&Path>) -> bool {
        let known = self.0.load();
        let mut around = place.into_iter().flat_map(Path::ancestors);
        around.any(|folder| known.iter().any(|known| known.is(folder)))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_known_by_whatever_way() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("in/deep")).unwrap();
        fs::create_dir(at("inner")).unwrap();
        symlink(at("in/deep"), at("link")).unwrap();
        symlink(at("in"), at("scope")).unwrap();
        for name in ["in/a", "in/deep/b", "inner/c", "d"] {
            fs::write(at(name), "").unwrap();
        }
        symlink(at("inner/c"), at("in/out")).unwrap();
        let foreign = Foreign::default();
        let holds = |name: &str| foreign.holds(&File::open(at(name)).unwrap());
        assert!(!holds("in/a") && !foreign.meets(&at("in")), "nothing was added");
        foreign.add(&at("scope"));
        for (name, expected) in [
            ("in/a", true),
            ("scope/a", true),
            ("in/deep/b", true),
            ("link/b", true),
            ("inner/c", false),
            ("in/out", false),
            ("d", false),
        ] {
            assert_eq!([holds(name), foreign.holds_path(&at(name))], [expected; 2], "{name}");
        }
        // The file may have lost its name, and the folder may be known by another.
        let file = File::open(at("in/a")).unwrap();
        fs::remove_file(at("in/a")).unwrap();
        assert!(foreign.holds(&file));
        let file = File::open(at("in/deep/b")).unwrap();
        fs::rename(at("in"), at("renamed")).unwrap();
        assert!(foreign.holds(&file));
        for (name, expected) in [("", true), ("renamed/deep", true), ("inner", false)] {
            assert_eq!(foreign.meets(&at(name)), expected, "{name}");
        }
    }
}
