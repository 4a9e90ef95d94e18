//! Certificates in files: `tls CERT KEY` and `load DIR`. They are read when the configuration is
//! loaded, and again when the files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;

use super::pem::{self, Loaded, unix_now};
use crate::limits::CERTIFICATE_FOLDERS;

/// Certificate files and the certificates read from them.
#[derive(Debug)]
pub struct Files {
    place: Place,
    read: Mutex<Read>,
}

/// The paths of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A chain and its key.
    Pair { cert: PathBuf, key: PathBuf },
    /// A folder of `*.pem` files, each a chain and its key.
    Folder(PathBuf),
}

#[derive(Debug)]
struct Read {
    stamp: Stamp,
    loaded: Vec<Loaded>,
    /// Why the files cannot be read, which is reported once.
    trouble: Option<String>,
}

/// Detects changed files: path, size and modification time.
type Stamp = Vec<(PathBuf, u64, Option<SystemTime>)>;

impl Files {
    /// A chain and its key.
    pub fn pair(cert: &str, key: &str) -> Result<Self, String> {
        Self::open(Place::Pair { cert: cert.into(), key: key.into() })
    }

    /// Every `*.pem` file below the folder.
    pub fn folder(dir: &str) -> Result<Self, String> {
        Self::open(Place::Folder(dir.into()))
    }

    /// Warnings about the validity periods.
    pub fn complaints(&self) -> Vec<String> {
        self.complaints_at(unix_now())
    }

    /// The same at the time `now`.
    pub(super) fn complaints_at(&self, now: i64) -> Vec<String> {
        let complaint_of = |(at, one): (usize, &Loaded)| {
            let place = match &self.place {
                Place::Pair { cert, .. } => format!("'{}'", cert.display()),
                Place::Folder(dir) => format!("'{}' (certificate {})", dir.display(), at + 1),
            };
            one.complaint(now).map(|complaint| format!("{place}: {complaint}"))
        };
        self.loaded().iter().enumerate().filter_map(complaint_of).collect()
    }

    /// The certificates as last read.
    pub(super) fn loaded(&self) -> Vec<Loaded> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).loaded.clone()
    }

    /// Replaces the key of the same certificate by one with another staple; returns whether it was
    /// found.
    pub(super) fn staple(&self, key: &Arc<CertifiedKey>) -> bool {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let same = read.loaded.iter_mut().filter(|one| one.key.cert == key.cert);
        same.map(|one| one.key = key.clone()).count() > 0
    }

    /// Reads the files again if they have changed; returns whether there are new certificates. On
    /// an error the old ones stay in use.
    pub(super) fn refresh(&self) -> Result<bool, String> {
        let stamp = self.place.stamp();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let reported = std::mem::replace(&mut read.trouble, stamp.as_ref().err().cloned());
        let stamp = match stamp {
            Err(trouble) if reported.as_ref() == Some(&trouble) => return Ok(false),
            Ok(stamp) if stamp == read.stamp => return Ok(false),
            other => other?,
        };
        // Also set for invalid files, so that each state is reported once.
        read.stamp = stamp;
        read.loaded = self.place.load()?;
        Ok(true)
    }

    fn open(place: Place) -> Result<Self, String> {
        // A replacement in between is then seen at the next look.
        let stamp = place.stamp();
        let loaded = place.load()?;
        let stamp = stamp?;
        Ok(Self { place, read: Mutex::new(Read { stamp, loaded, trouble: None }) })
    }
}

impl Place {
    fn load(&self) -> Result<Vec<Loaded>, String> {
        let provider = aws_lc_rs::default_provider();
        match self {
            Self::Pair { cert, key } => Ok(vec![pem::load_pair(cert, key, &provider)?]),
            Self::Folder(dir) => {
                let files = pem_files(dir)?;
                if files.is_empty() {
                    return Err(format!(
                        "no *.pem file in '{}': each must hold a certificate chain and its key",
                        dir.display()
                    ));
                }
                files.iter().map(|file| pem::load_pair(file, file, &provider)).collect()
            }
        }
    }

    fn stamp(&self) -> Result<Stamp, String> {
        let files = match self {
            Self::Pair { cert, key } => vec![cert.clone(), key.clone()],
            Self::Folder(dir) => pem_files(dir)?,
        };
        let one = |file: PathBuf| {
            let meta = std::fs::metadata(&file)
                .map_err(|error| format!("cannot read '{}': {error}", file.display()))?;
            Ok((file, meta.len(), meta.modified().ok()))
        };
        files.into_iter().map(one).collect()
    }
}

/// The `*.pem` files below `dir`, by name.
fn pem_files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    find_pem(dir, 0, &mut files)?;
    files.sort();
    Ok(files)
}

fn find_pem(dir: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let unreadable = |error| format!("cannot read folder '{}': {error}", dir.display());
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            if depth < CERTIFICATE_FOLDERS {
                find_pem(&path, depth + 1, files)?;
            }
        } else if path.extension().is_some_and(|ext| ext == "pem") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str) -> String {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_folder_is_read_with_those_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display().to_string();
        assert!(Files::folder(&path).unwrap_err().contains("no *.pem file"));
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("sub/a.pem"), made("a.example")).unwrap();
        std::fs::write(dir.path().join("note.txt"), "nothing").unwrap();
        let files = Files::folder(&path).unwrap();
        assert_eq!(files.loaded().len(), 1);
        assert_eq!(files.refresh(), Ok(false));
        std::fs::write(dir.path().join("b.pem"), made("b.example")).unwrap();
        assert_eq!(files.refresh(), Ok(true), "one more");
        std::fs::remove_file(dir.path().join("sub/a.pem")).unwrap();
        assert_eq!(files.refresh(), Ok(true), "one less");
        assert_eq!(files.loaded()[0].names, ["b.example"]);
    }

    #[test]
    fn changed_files_are_read_again_and_bad_ones_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.pem").display().to_string();
        std::fs::write(&path, made("a.example")).unwrap();
        let files = Files::pair(&path, &path).unwrap();
        assert_eq!(files.refresh(), Ok(false));
        std::fs::write(&path, made("longer.example")).unwrap();
        assert_eq!(files.refresh(), Ok(true));
        assert_eq!(files.loaded()[0].names, ["longer.example"]);
        std::fs::write(&path, "broken").unwrap();
        assert!(files.refresh().unwrap_err().contains("no certificate in"));
        assert_eq!(files.refresh(), Ok(false), "each state is judged once");
        std::fs::remove_file(&path).unwrap();
        assert!(files.refresh().unwrap_err().contains("cannot read"));
        assert_eq!(files.refresh(), Ok(false), "and each error is reported once");
        assert_eq!(files.loaded()[0].names, ["longer.example"]);
    }
}
