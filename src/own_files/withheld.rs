//! Files that are never sent, and that no client changes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

/// Those of all sites of a configuration, which are added while it is read.
#[derive(Debug, Default)]
pub struct Withheld(ArcSwap<Vec<PathBuf>>);

impl Withheld {
    pub fn add(&self, paths: &[PathBuf]) {
        self.0.rcu(|known| {
            let new = paths.iter().filter(|path| !known.contains(path));
            Arc::new(known.iter().chain(new).cloned().collect::<Vec<_>>())
        });
    }

    /// Where they are now. Blocks.
    pub fn now(&self) -> Vec<Ward> {
        self.0.load().iter().map(|path| Ward::of(path)).collect()
    }
}

/// One of them, which may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ward {
    /// Device and inode: what it is by any name.
    pub id: Option<[u64; 2]>,
    /// The last folder on its way that is there.
    pub folder: Option<[u64; 2]>,
    /// Its path from there.
    pub rest: PathBuf,
    /// Its path, the folder without links.
    pub path: PathBuf,
}

impl Ward {
    fn of(path: &Path) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut ways = path.ancestors().skip(1);
        let found = ways.find_map(|way| Some((way, id(way)?, way.canonicalize().ok()?)));
        let Some((way, folder, real)) = found else {
            return Self { id: None, folder: None, rest: path.clone(), path };
        };
        let rest = path.strip_prefix(way).unwrap_or(&path).to_owned();
        Self { id: id(&path), folder: Some(folder), path: real.join(&rest), rest }
    }
}

fn id(path: &Path) -> Option<[u64; 2]> {
    let about = fs::metadata(path).ok()?;
    Some([about.dev(), about.ino()])
}
