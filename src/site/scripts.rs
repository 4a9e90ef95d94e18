//! Files that are scripts, whose source is never sent.

use std::io;
use std::path::Path;
use std::sync::OnceLock;

/// The extensions of scripts. Their source is not sent even if no `fastcgi` rule handles the
/// request. Set while the directives of the site are set up.
#[derive(Debug, Default)]
pub struct Scripts {
    endings: OnceLock<Vec<String>>,
}

impl Scripts {
    /// Sets the extensions, such as `.php`; letter case is ignored. Only the first call counts.
    pub fn end_with(&self, endings: Vec<String>) {
        // The set-up of `fastcgi` runs once per site.
        let _ = self.endings.set(endings);
    }

    /// Whether this is the name of a script or of a compressed copy of one.
    pub fn has(&self, path: &Path) -> bool {
        let Some(endings) = self.endings.get() else { return false };
        let name = path.as_os_str().as_encoded_bytes();
        let copies = [&b".gz"[..], b".br", b".zst"];
        let bare = copies.iter().find_map(|coding| name.strip_suffix(*coding));
        [Some(name), bare].into_iter().flatten().any(|name| {
            endings.iter().any(|ending| {
                let end = name.len().checked_sub(ending.len()).map(|start| &name[start..]);
                end.is_some_and(|end| end.eq_ignore_ascii_case(ending.as_bytes()))
            })
        })
    }

    /// Returns an error if the file is a script.
    pub fn refuse(&self, path: &Path) -> io::Result<()> {
        if !self.has(path) {
            return Ok(());
        }
        let why = "is a script, and no fastcgi directive handled this request; the source of a \
        script is not sent";
        Err(io::Error::new(io::ErrorKind::NotFound, format!("{} {why}", path.display())))
    }
}
