//! Files that are programs: whose source nobody gets.

use std::io;
use std::path::Path;
use std::sync::OnceLock;

/// The names of scripts: their source is not sent, whichever rule a request for one falls
/// through. Known when all directives have been set up.
#[derive(Debug, Default)]
pub struct Scripts {
    endings: OnceLock<Vec<String>>,
}

impl Scripts {
    /// What the names of scripts end with, such as `.php`, in any case; said once.
    pub fn end_with(&self, endings: Vec<String>) {
        // A set-up runs once for each site.
        let _ = self.endings.set(endings);
    }

    /// Whether it is the name of a script, or of a compressed copy of one.
    pub fn has(&self, path: &Path) -> bool {
        let Some(endings) = self.endings.get() else { return false };
        let name = path.as_os_str().as_encoded_bytes();
        let bare = [&b".gz"[..], b".br"].iter().find_map(|coding| name.strip_suffix(*coding));
        [Some(name), bare].into_iter().flatten().any(|name| {
            endings.iter().any(|ending| {
                let end = name.len().checked_sub(ending.len()).map(|start| &name[start..]);
                end.is_some_and(|end| end.eq_ignore_ascii_case(ending.as_bytes()))
            })
        })
    }

    /// An error for a script that somebody is about to send.
    pub fn refuse(&self, path: &Path) -> io::Result<()> {
        if !self.has(path) {
            return Ok(());
        }
        let why = "is a script, which fastcgi runs; no fastcgi line took this request, and its \
                   source is not sent";
        Err(io::Error::new(io::ErrorKind::NotFound, format!("{} {why}", path.display())))
    }
}
