//! Storage of accounts, certificates and retry state. [`Storage`] is the interface, so that a store
//! that several machines share can replace [`Folder`].

use std::fmt::Debug;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Entries by key: a path of plain names, `acme/ca.example/sites/a.example/a.example.crt`.
pub trait Storage: Debug + Send + Sync {
    /// `None` if the entry does not exist.
    fn read(&self, key: &str) -> io::Result<Option<Vec<u8>>>;
    /// Replaces the entry atomically; on return it is durable.
    fn write(&self, key: &str, bytes: &[u8]) -> io::Result<()>;
    /// Succeeds if the entry does not exist.
    fn remove(&self, key: &str) -> io::Result<()>;
    /// The names in a folder, the newest first; empty if the folder does not exist.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
    /// Renames a damaged entry and returns its new name.
    fn set_aside(&self, key: &str) -> io::Result<String>;
    /// Takes a lock that excludes all other processes; `None` while another process holds it. It
    /// is released with the value, or when the process ends.
    fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn Held>>>;
    /// As [`Self::try_lock`], for what concerns this machine's own files alone: it excludes the
    /// processes here only.
    fn try_lock_here(&self, name: &str) -> io::Result<Option<Box<dyn Held>>> {
        self.try_lock(name)
    }
    /// The name of the entry in messages.
    fn place(&self, key: &str) -> String;
    /// Whether the machines that share it cannot be asked: locks exclude processes here only.
    fn is_cut_off(&self) -> bool {
        false
    }
    /// Whether other machines get what is written.
    fn is_shared(&self) -> bool {
        false
    }
    /// How long what was written may be on its way to them after that.
    fn lag(&self) -> Duration {
        Duration::ZERO
    }
    /// Whether what was written is on its way to them no longer, or cannot reach them.
    fn is_settled(&self) -> bool {
        true
    }
}

impl dyn Storage + '_ {
    /// Renames an invalid entry and logs its new name.
    pub(super) fn set_aside_damaged(&self, key: &str, why: &str) -> io::Result<()> {
        let to = self.set_aside(key)?;
        log::error!("{}: damaged ({why}); moved to {to}", self.place(key));
        Ok(())
    }
}

/// A held lock.
pub trait Held: Debug + Send + Sync {}

/// A local folder: `$CADDYPATH`. Folders have mode 0700 and files 0600.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn path(&self, key: &str) -> io::Result<PathBuf> {
        let plain = |part: &str| {
            !part.is_empty() && part != "." && part != ".." && !part.contains(['\0', '\\'])
        };
        if key.split('/').all(plain) {
            Ok(self.root.join(key))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, format!("invalid file name: {key}")))
        }
    }
}

impl Storage for Folder {
    fn read(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(key)?) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(named(error, &self.place(key))),
        }
    }

    fn write(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(key)?;
        replace(&path, bytes).map_err(|error| named(error, &self.place(key)))
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        match fs::remove_file(self.path(key)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(named(error, &self.place(key)))
            }
            _ => Ok(()),
        }
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path(folder)?) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(named(error, &self.place(folder))),
        };
        let mut found: Vec<_> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let modified = entry.metadata().and_then(|meta| meta.modified()).ok();
                Some((modified, entry.file_name().into_string().ok()?))
            })
            .collect();
        found.sort_by(|a, b| b.cmp(a));
        Ok(found.into_iter().map(|(_, name)| name).collect())
    }

    fn set_aside(&self, key: &str) -> io::Result<String> {
        let path = self.path(key)?;
        let aside = (1..1000)
            .map(|number| path.with_added_extension(format!("damaged-{number}")))
            .find(|aside| !aside.exists())
            .ok_or_else(|| named(io::ErrorKind::AlreadyExists.into(), &self.place(key)))?;
        fs::rename(&path, &aside).map_err(|error| named(error, &self.place(key)))?;
        Ok(aside.display().to_string())
    }

    fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn Held>>> {
        let path = self.path(&format!("locks/{name}.lock"))?;
        make_folder(path.parent().unwrap_or(&self.root))?;
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(FileLock { _file: file }))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(named(error, &path.display().to_string())),
        }
    }

    fn place(&self, key: &str) -> String {
        self.root.join(key).display().to_string()
    }
}

/// The kernel releases the lock when the file is closed.
#[derive(Debug)]
struct FileLock {
    _file: File,
}

impl Held for FileLock {}

/// Writes a temporary file, then renames it. The caller holds the lock of the entry, so a fixed
/// temporary name is safe and leaves at most one file after a crash.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    make_folder(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = folder.join(format!(".{name}.new"));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()
}

fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn named(error: io::Error, place: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{place}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn entries_are_private_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let store = Folder::new(dir.path().join("deep/store"));
        let key = "acme/ca.example/sites/a.example/a.example.key";
        assert_eq!(store.read(key).unwrap(), None);
        store.write(key, b"one").unwrap();
        store.write(key, b"two").unwrap();
        assert_eq!(store.read(key).unwrap().as_deref(), Some(b"two".as_slice()));
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(dir.path().join("deep/store").join(key)), 0o600);
        assert_eq!(mode(dir.path().join("deep/store/acme")), 0o700);
        assert_eq!(store.list("acme/ca.example/sites/a.example").unwrap(), ["a.example.key"]);
        store.remove(key).unwrap();
        store.remove(key).unwrap();
        assert_eq!(store.read(key).unwrap(), None);
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        let store = Folder::new(PathBuf::from("/nonexistent"));
        for key in ["../x", "a/../../x", "a//b", "/etc/passwd", "a/\0", ""] {
            assert_eq!(store.read(key).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{key}");
        }
    }

    #[test]
    fn a_damaged_entry_is_kept_under_another_name() {
        let dir = tempfile::tempdir().unwrap();
        let store = Folder::new(dir.path().to_owned());
        for number in 1..3 {
            store.write("a.crt", b"junk").unwrap();
            let aside = store.set_aside("a.crt").unwrap();
            assert!(aside.ends_with(&format!("a.crt.damaged-{number}")), "{aside}");
            assert_eq!(fs::read(aside).unwrap(), b"junk");
        }
    }

    #[test]
    fn a_lock_is_held_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = Folder::new(dir.path().to_owned());
        let held = store.try_lock("a.example").unwrap();
        assert!(held.is_some());
        assert!(store.try_lock("a.example").unwrap().is_none());
        assert!(store.try_lock("b.example").unwrap().is_some());
        drop(held);
        assert!(store.try_lock("a.example").unwrap().is_some());
    }
}
