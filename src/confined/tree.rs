//! Folders with all that they have.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::openat;
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::{UnlinkatFlags, fsync, unlinkat};

use super::access::{Overwrite, look, make_folder, open, rename};
use super::area::Area;
use super::attribute::{read_attribute, write_attribute};
use super::draft::{Draft, is_other_name};
use super::place::{About, DIRECTORY, Place, about, about_open, enter, kind};

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
pub fn entries(area: &Area, names: &[String], most: usize) -> io::Result<Vec<Entry>> {
    let place = Place::walk(area, names)?.found()?;
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
    area: &Area,
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
        if !look(area, &names)?.is_folder() {
            continue;
        }
        for entry in entries(area, &names, left)? {
            waiting.push(names.iter().cloned().chain([entry.name]).collect());
        }
    }
    Ok(())
}

/// How many bytes a file has, or the files of a folder at any depth: neither links nor what has no
/// name of its own yet.
pub fn bytes(area: &Area, names: &[String]) -> io::Result<u64> {
    let about = look(area, names)?;
    if !about.is_folder() {
        return Ok(about.size);
    }
    let mut sum: u64 = 0;
    let mut waiting = vec![names.to_vec()];
    while let Some(folder) = waiting.pop() {
        let found = match entries(area, &folder, usize::MAX) {
            // It has gone meanwhile, or is one that clients do not reach.
            Err(error) if is_passed_over(&error) => continue,
            found => found?,
        };
        for Entry { name, about } in found {
            if about.is_folder() {
                waiting.push(folder.iter().cloned().chain([name]).collect());
            } else if !is_other_name(&name) {
                sum = sum.saturating_add(about.size);
            }
        }
    }
    Ok(sum)
}

fn is_passed_over(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

/// Removes a file, or a folder with all that it has.
pub fn remove(area: &Area, names: &[String]) -> io::Result<()> {
    area.has_nothing_withheld(names)?;
    let folder = Place::walk(area, names)?.found()?;
    let name = names.last().ok_or(Errno::EBUSY)?;
    match kind(&folder, name) {
        None => return Err(io::ErrorKind::NotFound.into()),
        Some(SFlag::S_IFDIR) => {
            clear(enter(&folder, name)?)?;
            unlinkat(&folder, name.as_str(), UnlinkatFlags::RemoveDir)?;
        }
        Some(_) => unlinkat(&folder, name.as_str(), UnlinkatFlags::NoRemoveDir)?,
    }
    Ok(fsync(&folder)?)
}

/// Removes what a folder has, with a few descriptors and little stack, however deep it is.
fn clear(top: OwnedFd) -> io::Result<()> {
    // Each folder within the first one that is around the open one: its name, and what has it.
    let mut way: Vec<(OsString, Id)> = Vec::new();
    let mut folder = top;
    loop {
        if let Some(name) = clear_files(&folder)? {
            let next = openat(&folder, name.as_os_str(), DIRECTORY, Mode::empty())?;
            way.push((name, id(&folder)?));
            folder = next;
            continue;
        }
        let Some((name, around)) = way.pop() else { return Ok(()) };
        folder = openat(&folder, "..", DIRECTORY, Mode::empty())?;
        if id(&folder)? != around {
            // Another request has moved it.
            return Err(Errno::ENOTEMPTY.into());
        }
        unlinkat(&folder, name.as_os_str(), UnlinkatFlags::RemoveDir)?;
    }
}

/// Removes files and empty folders up to the first folder that has something.
fn clear_files(folder: &OwnedFd) -> io::Result<Option<OsString>> {
    for entry in std::fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()))? {
        let entry = entry?;
        let name = entry.file_name();
        let is_folder = entry.file_type()?.is_dir();
        let how = if is_folder { UnlinkatFlags::RemoveDir } else { UnlinkatFlags::NoRemoveDir };
        match unlinkat(folder, name.as_os_str(), how) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(Errno::ENOTEMPTY | Errno::EEXIST) if is_folder => return Ok(Some(name)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// The file system and the inode of a folder.
type Id = (u64, u64);

fn id(folder: &OwnedFd) -> io::Result<Id> {
    let about = fstat(folder)?;
    Ok((about.st_dev, about.st_ino))
}

/// Moves a file or folder, to another file system too. There it is a copy with an attribute, which
/// is refused where a copy would leave something out.
pub fn relocate(
    area: &Area,
    from: &[String],
    to: &[String],
    overwrite: Overwrite,
    attribute: &str,
) -> io::Result<()> {
    match rename(area, from, to, overwrite) {
        Err(error) if error.raw_os_error().map(Errno::from_raw) == Some(Errno::EXDEV) => {}
        done => return done.map(drop),
    }
    survey(area, from, usize::MAX, usize::MAX, &mut |names| {
        if !look(area, names)?.is_folder() {
            return Ok(());
        }
        let folder = open(area, names)?;
        let all = std::fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()))?.count();
        if all == within(&folder, usize::MAX)?.len() { Ok(()) } else { Err(Errno::EXDEV.into()) }
    })?;
    copy(area, from, to, Depth::Whole, attribute)?;
    remove(area, from)
}

/// Copies a file or folder with an attribute to a name in a folder that is there. Links are left
/// out. A folder that does not become whole is removed.
pub fn copy(
    area: &Area,
    from: &[String],
    to: &[String],
    depth: Depth,
    attribute: &str,
) -> io::Result<()> {
    one(area, from, to, attribute)?;
    if depth == Depth::Alone || !look(area, from)?.is_folder() {
        return Ok(());
    }
    let copied = members(area, from, to, attribute);
    if copied.is_err() {
        let _ = remove(area, to);
    }
    copied
}

/// Copies what a folder has.
fn members(area: &Area, from: &[String], to: &[String], attribute: &str) -> io::Result<()> {
    let mut folders = vec![Vec::new()];
    while let Some(folder) = folders.pop() {
        for entry in entries(area, &[from, folder.as_slice()].concat(), usize::MAX)? {
            let below = [folder.as_slice(), &[entry.name]].concat();
            one(area, &[from, &below].concat(), &[to, &below].concat(), attribute)?;
            if entry.about.is_folder() {
                folders.push(below);
            }
        }
    }
    Ok(())
}

/// Copies one file, or a folder without what it has.
fn one(area: &Area, from: &[String], to: &[String], attribute: &str) -> io::Result<()> {
    let source = open(area, from)?;
    let value = read_attribute(&source, attribute)?;
    if about_open(&source)?.is_folder() {
        make_folder(area, to)?;
        let made = open(area, to)?;
        return value.map_or(Ok(()), |value| write_attribute(&made, attribute, &value));
    }
    let mut draft = Draft::new(area, to)?;
    draft.fill(&File::from(source))?;
    if let Some(value) = value {
        write_attribute(draft.file(), attribute, &value)?;
    }
    draft.publish().map(|_| ())
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::mkdirat;

    use super::*;

    /// So deep that its path is too long for the kernel, and on a stack for few levels.
    #[test]
    fn however_deep_a_folder_is_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let area = &Area::new(root, Default::default());
        let mut place = Place::walk(area, &[]).unwrap().folder;
        for _ in 0..4000 {
            for name in ["a", "b"] {
                mkdirat(&place, name, Mode::S_IRWXU).unwrap();
            }
            place = enter(&place, "a").unwrap();
        }
        std::fs::write(format!("/proc/self/fd/{}/x", place.as_raw_fd()), "x").unwrap();
        drop(place);
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(256 << 10);
            let work = || remove(area, &["a".to_owned()]);
            thread.spawn_scoped(scope, work).unwrap().join().unwrap().unwrap();
        });
        let left: Vec<_> = std::fs::read_dir(root).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "the folder beside it");
    }

    /// Links within it are removed, and what they lead to is not.
    #[test]
    fn what_links_lead_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let area = &Area::new(root, Default::default());
        std::fs::create_dir_all(root.join("a/b/c")).unwrap();
        std::fs::create_dir(root.join("kept")).unwrap();
        std::fs::write(root.join("kept/file"), "kept").unwrap();
        std::os::unix::fs::symlink("../../kept", root.join("a/b/link")).unwrap();
        std::fs::write(root.join("a/b/c/d"), "x").unwrap();
        remove(area, &["a".to_owned()]).unwrap();
        assert!(!root.join("a").exists() && root.join("kept/file").exists());
    }
}
