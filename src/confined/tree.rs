//! Folders with all that they have.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use nix::unistd::{UnlinkatFlags, fsync, unlinkat};

use super::access::{look, make_folder, open};
use super::attribute::{read_attribute, write_attribute};
use super::draft::Draft;
use super::place::{About, Place, about, about_open, enter, kind};

/// A file or folder in another.
#[derive(Debug)]
pub struct Entry {
    pub name: String,
    pub about: About,
}

/// Whether a folder is meant with what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    Alone,
    Whole,
}

/// What a folder has: files and folders with names in UTF-8, sorted. More than `most` are an
/// error of kind `QuotaExceeded`.
pub fn entries(root: &Path, names: &[String], most: usize) -> io::Result<Vec<Entry>> {
    let place = Place::walk(root, names)?.found()?;
    match names.last() {
        None => within(&place, most),
        Some(name) => within(&enter(&place, name)?, most),
    }
}

fn within(folder: &OwnedFd, most: usize) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()))? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        let Some(about) = about(folder, &name) else { continue };
        if found.len() == most {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        found.push(Entry { name, about });
    }
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Calls `visit` for a file or folder and all that it has, with the names of each. More than `most`
/// of them, or names than `deepest`, are an error of kind `QuotaExceeded`.
pub fn survey(
    root: &Path,
    names: &[String],
    most: usize,
    deepest: usize,
    visit: &mut dyn FnMut(&[String]) -> io::Result<()>,
) -> io::Result<()> {
    let mut left = most;
    let mut waiting = vec![names.to_vec()];
    while let Some(names) = waiting.pop() {
        if left == 0 || names.len() > deepest {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        left -= 1;
        visit(&names)?;
        if !look(root, &names)?.is_folder() {
            continue;
        }
        for entry in entries(root, &names, left)? {
            waiting.push(names.iter().cloned().chain([entry.name]).collect());
        }
    }
    Ok(())
}

/// Removes a file, or a folder with all that it has.
pub fn remove(root: &Path, names: &[String]) -> io::Result<()> {
    let folder = Place::walk(root, names)?.found()?;
    let name = names.last().ok_or(Errno::EBUSY)?;
    match kind(&folder, name) {
        None => return Err(io::ErrorKind::NotFound.into()),
        Some(SFlag::S_IFDIR) => {
            // The way over the open folder is the one that was walked.
            let way = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
            std::fs::remove_dir_all(way.join(name))?;
        }
        Some(_) => unlinkat(&folder, name.as_str(), UnlinkatFlags::NoRemoveDir)?,
    }
    Ok(fsync(&folder)?)
}

/// Copies a file or folder with an attribute to a name in a folder that is there. Links are left
/// out.
pub fn copy(
    root: &Path,
    from: &[String],
    to: &[String],
    depth: Depth,
    attribute: &str,
) -> io::Result<()> {
    let mut left = vec![Vec::new()];
    while let Some(below) = left.pop() {
        let (from, to) = ([from, below.as_slice()].concat(), [to, below.as_slice()].concat());
        one(root, &from, &to, attribute)?;
        if depth == Depth::Whole && look(root, &from)?.is_folder() {
            let entries = entries(root, &from, usize::MAX)?.into_iter();
            left.extend(entries.map(|entry| [below.as_slice(), &[entry.name]].concat()));
        }
    }
    Ok(())
}

/// Copies one file, or a folder without what it has.
fn one(root: &Path, from: &[String], to: &[String], attribute: &str) -> io::Result<()> {
    let source = open(root, from)?;
    let value = read_attribute(&source, attribute)?;
    if about_open(&source)?.is_folder() {
        make_folder(root, to)?;
        let made = open(root, to)?;
        return value.map_or(Ok(()), |value| write_attribute(&made, attribute, &value));
    }
    let mut draft = Draft::new(root, to)?;
    draft.fill(&File::from(source))?;
    if let Some(value) = value {
        write_attribute(draft.file(), attribute, &value)?;
    }
    draft.publish().map(|_| ())
}
