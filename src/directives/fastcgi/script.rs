//! Maps a request's path to a script, byte by byte. The path must name the script's file
//! completely.
//!
//! A responder that receives `/upload/a.jpg/x.php` may search for a file further up and run the
//! picture. So a script must be a regular file if this machine can check it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use http::StatusCode;
use percent_encoding::percent_decode_str;

use crate::http::{Fault, paths};

/// The settings of a rule for files.
#[derive(Debug, Clone)]
pub(super) struct Scripts {
    /// DOCUMENT_ROOT, as the responder sees it.
    pub(super) root: PathBuf,
    /// Whether that directory exists on this machine, so that scripts can be checked.
    pub(super) local: bool,
    /// The site's root.
    pub(super) site: PathBuf,
    /// The ending of script names, such as `.php`; empty: paths are not split.
    pub(super) split: Vec<u8>,
    /// The ending of files that are run and not sent; empty: all are run.
    pub(super) ext: Vec<u8>,
    /// Index files of directories.
    pub(super) index: Vec<String>,
}

/// A script; both parts are percent-decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Script {
    /// Starts with a slash, or is empty if paths are not split.
    pub(super) name: Vec<u8>,
    pub(super) path_info: Vec<u8>,
}

impl Scripts {
    /// The endings of files that are run.
    pub(super) fn endings(&self) -> Vec<String> {
        let endings = [&self.ext, &self.split].into_iter().filter(|ending| !ending.is_empty());
        endings.map(|ending| String::from_utf8_lossy(ending).into_owned()).collect()
    }
}

/// Returns the script for a path, or `None` for the next directive.
pub(super) async fn find(scripts: &Scripts, path: &str) -> Result<Option<Script>, Fault> {
    let mut path: Vec<u8> = percent_decode_str(path).collect();
    if path.split(|byte| *byte == b'/').any(|segment| segment == b"." || segment == b"..") {
        path = cleaned(&path);
    }
    let directory = path.ends_with(b"/");
    if !directory && !scripts.can_split(&path) {
        return Ok(None);
    }
    if path.iter().any(u8::is_ascii_control) {
        // A program that reads lines would see two lines.
        return Err(Fault::status(StatusCode::BAD_REQUEST));
    }
    if scripts.split.is_empty() && !directory && scripts.ext.is_empty() {
        return Ok(Some(Script { name: Vec::new(), path_info: path }));
    }
    let scripts = scripts.clone();
    let found = tokio::task::spawn_blocking(move || scripts.look(path)).await;
    found.map_err(|error| Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, error))?
}

impl Scripts {
    /// Where `path` is split: after the first `split` that ends a segment.
    fn split_at(&self, path: &[u8]) -> Option<usize> {
        let length = self.split.len();
        let ends = |at: &usize| {
            let end = at + length;
            path[*at..end].eq_ignore_ascii_case(&self.split)
                && path.get(end).is_none_or(|byte| *byte == b'/')
        };
        (0..=path.len().checked_sub(length)?).find(ends).map(|at| at + length)
    }

    /// Whether every path is a script, regardless of the files.
    pub(super) fn run_all(&self) -> bool {
        self.split.is_empty() && self.ext.is_empty()
    }

    fn can_split(&self, path: &[u8]) -> bool {
        self.split.is_empty() || self.split_at(path).is_some()
    }

    /// Checks the file system; blocks.
    fn look(&self, mut path: Vec<u8>) -> Result<Option<Script>, Fault> {
        if path.ends_with(b"/")
            && let Some(name) = self.index_of(&path)
        {
            path.extend_from_slice(name.as_bytes());
        }
        if !self.can_split(&path) {
            return Ok(None);
        }
        if !path.ends_with(b"/") && !self.is_run(&path) && under(self.base(), &path).exists() {
            return Ok(None);
        }
        if self.split.is_empty() {
            return Ok(Some(Script { name: Vec::new(), path_info: path }));
        }
        let Some(end) = self.split_at(&path) else { return Ok(None) };
        let path_info = path.split_off(end);
        let segments = path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty());
        let name = segments.flat_map(|segment| [b"/", segment].concat()).collect::<Vec<u8>>();
        self.check(&name)?;
        Ok(Some(Script { name, path_info }))
    }

    /// Whether a file of this name is run and not sent. The case of the ending is ignored, so that
    /// a script's source is not sent either.
    fn is_run(&self, path: &[u8]) -> bool {
        let end = path.len().checked_sub(self.ext.len()).map(|start| &path[start..]);
        end.is_some_and(|end| end.eq_ignore_ascii_case(&self.ext))
    }

    /// The directory in which files are looked up.
    fn base(&self) -> &Path {
        if self.local { &self.root } else { &self.site }
    }

    /// The index file of a directory.
    fn index_of(&self, folder: &[u8]) -> Option<&str> {
        let folder = under(self.base(), folder);
        self.index.iter().map(String::as_str).find(|name| folder.join(name).is_file())
    }

    fn check(&self, name: &[u8]) -> Result<(), Fault> {
        let file = under(self.base(), name);
        let missing = |why: &str| {
            let cause = format!("script {} does not exist: {why}", file.display());
            Err(Fault::caused(StatusCode::NOT_FOUND, cause))
        };
        if name.contains(&b'\\') {
            return missing("the name contains a backslash");
        }
        match std::fs::metadata(&file) {
            Ok(about) if about.is_file() => Ok(()),
            Ok(_) if self.local => missing("not a regular file"),
            // A component of the path is a file.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                missing("a directory of the path is a file")
            }
            _ if !self.local => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let cause = format!("cannot access the script {}: {error}", file.display());
                Err(Fault::caused(StatusCode::FORBIDDEN, cause))
            }
            Err(error) => missing(&error.to_string()),
            Ok(_) => Ok(()),
        }
    }
}

/// Resolves dot segments, so that the path is the one that prefixes are compared with.
fn cleaned(path: &[u8]) -> Vec<u8> {
    let segments = paths::resolve(path.split(|byte| *byte == b'/'));
    let mut clean =
        segments.iter().flat_map(|segment| [b"/", *segment].concat()).collect::<Vec<_>>();
    if clean.is_empty() || paths::names_directory(path) {
        clean.push(b'/');
    }
    clean
}

/// A path of the site below a directory.
pub(super) fn under(root: &Path, path: &[u8]) -> PathBuf {
    let start = path.iter().position(|byte| *byte != b'/').unwrap_or(path.len());
    root.join(OsStr::from_bytes(&path[start..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn php(root: &Path) -> Scripts {
        Scripts {
            root: root.to_owned(),
            local: root.is_dir(),
            site: root.to_owned(),
            split: b".php".to_vec(),
            ext: b".php".to_vec(),
            index: vec!["index.php".to_owned()],
        }
    }

    fn site() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["blog", "static", "dir.php"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let names = ["index.php", "blog/index.php", "x.php", "y.PHP", "up.txt", "a.jpg"];
        for name in names.iter().chain(&["static/i.html", "x.php.bak", "dir.php/pic.png"]) {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        dir
    }

    /// The result for a path: `NAME|PATH_INFO`, `next`, or a status.
    async fn found(scripts: &Scripts, path: &str) -> String {
        match find(scripts, path).await {
            Ok(Some(script)) => [script.name, script.path_info]
                .map(|part| String::from_utf8_lossy(&part).into_owned())
                .join("|"),
            Ok(None) => "next".to_owned(),
            Err(fault) => fault.status.as_str().to_owned(),
        }
    }

    #[tokio::test]
    async fn paths_become_scripts() {
        let dir = site();
        let scripts = php(dir.path());
        for (path, want) in [
            ("/", "/index.php|"),
            ("/blog/", "/blog/index.php|"),
            ("/blog", "next"),
            ("/static/", "next"),
            ("/x.php", "/x.php|"),
            ("//x.php", "/x.php|"),
            ("/x.php/a/b", "/x.php|/a/b"),
            ("/x.php/a.php/b", "/x.php|/a.php/b"),
            ("/x.php//a%2Fb%20c/", "/x.php|//a/b c/"),
            ("/%78.php", "/x.php|"),
            ("/blog%2Findex.php", "/blog/index.php|"),
            ("/y.PHP", "/y.PHP|"),
            ("/x.PHP", "404"),
            ("/none.php", "404"),
            ("/up.txt/x.php", "404"),
            ("/a.jpg/.php", "404"),
            ("/a.jpg%2fx.php", "404"),
            ("/dir.php/x", "404"),
            ("/dir.php/pic.png", "next"),
            ("/x.php.bak", "next"),
            ("/x.phpx", "next"),
            ("/up.txt", "next"),
            ("/a%0a.php/x", "400"),
            ("/x.php/a%0d%0ab", "400"),
            ("/x.php/%00", "400"),
            ("/x.php/../up.txt", "next"),
            ("/x.php/a%2f..%2f..%2fup.txt", "next"),
            ("/x.php/%2e/y", "/x.php|/y"),
            ("/up.txt/../x.php", "/x.php|"),
            ("/../x.php", "/x.php|"),
            ("/blog/.", "/blog/index.php|"),
            ("/..\\x.php", "404"),
            ("/%C4%B0%C4%B0%C4%B0%C4%B0%C4%B0.php", "404"),
            ("/shell.%EF%BD%90hp", "next"),
            ("/name.%C2%A1.txt", "next"),
            ("/x.php%00.jpg", "next"),
            ("/%ff.php", "404"),
        ] {
            assert_eq!(found(&scripts, path).await, want, "{path}");
        }
    }

    #[tokio::test]
    async fn a_root_elsewhere_cannot_be_looked_into_but_the_sites_own_can() {
        let dir = site();
        let scripts = Scripts { root: "/remote".into(), local: false, ..php(dir.path()) };
        for (path, want) in [
            ("/", "/index.php|"),
            ("/elsewhere.php/x", "/elsewhere.php|/x"),
            ("/up.txt/x.php", "404"),
            ("/x.php.bak", "next"),
        ] {
            assert_eq!(found(&scripts, path).await, want, "{path}");
        }
    }

    #[tokio::test]
    async fn without_a_split_the_whole_path_is_passed_on() {
        let plain =
            Scripts { split: vec![], ext: vec![], index: vec![], ..php(Path::new("/none")) };
        for (path, want) in [("/", "|/"), ("/a/b%20c", "|/a/b c"), ("/a/../b", "|/b")] {
            assert_eq!(found(&plain, path).await, want, "{path}");
        }
    }
}
