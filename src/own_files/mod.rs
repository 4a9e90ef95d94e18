//! The files of a site, for directives that send them or make other content of them: their state,
//! which are never sent, and which clients may have written.

pub mod body;
mod cache;
pub mod content_type;
mod foreign;
mod marks;
mod state;
mod withheld;

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

pub use cache::Cache;
pub use foreign::Foreign;
pub use marks::{OwnFile, Raw};
pub use state::State;
pub use withheld::{Ward, Withheld};

/// Compares device and inode, read anew each time: an editor may replace the file, and a link may
/// give it any name.
pub fn is_hidden(hidden: &[PathBuf], about: &Metadata) -> bool {
    hidden.iter().any(|path| {
        fs::metadata(path).is_ok_and(|own| own.dev() == about.dev() && own.ino() == about.ino())
    })
}

/// Opens a regular file that is not hidden; others are not found.
pub fn open_file(path: &Path, hidden: &[PathBuf]) -> io::Result<(File, Metadata)> {
    // If the name has become a pipe, opening it must not wait for a writer.
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() || is_hidden(hidden, &about) {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok((file, about))
}
