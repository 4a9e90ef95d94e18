//! Files and folders by the names of their path.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::fsync;

use super::area::Area;
use super::place::{About, Place, about, about_open, kind};

/// Whether something was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    Nothing,
    Something,
}

/// Whether what is in the way of a move is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    Yes,
    No,
}

/// What is there by a path; no names: the folder itself. Links and what is no file are not found.
pub fn look(area: &Area, names: &[String]) -> io::Result<About> {
    let place = Place::walk(area, names)?.found()?;
    let found = match names.last() {
        None => Some(about_open(&place)?),
        Some(name) => about(&place, name),
    };
    found.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Opens a file or folder to read it.
pub fn open(area: &Area, names: &[String]) -> io::Result<OwnedFd> {
    let place = Place::walk(area, names)?.found()?;
    let Some(name) = names.last() else { return Ok(place) };
    open_in(&place, name)
}

pub(super) fn open_in(folder: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    // If the name has become a pipe, opening it must not wait for a writer.
    let how = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    Ok(openat(folder, name, how, Mode::empty())?)
}

/// Opens a regular file to read it.
pub fn open_file(area: &Area, names: &[String]) -> io::Result<File> {
    let file = File::from(open(area, names)?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(Errno::EISDIR.into()) }
}

/// Makes a folder in one that is there.
pub fn make_folder(area: &Area, names: &[String]) -> io::Result<()> {
    let place = Place::walk(area, names)?.found()?;
    let name = names.last().ok_or(io::ErrorKind::AlreadyExists)?;
    mkdirat(&place, name.as_str(), Mode::from_bits_truncate(0o777))?;
    Ok(fsync(&place)?)
}

/// Makes an empty file in a folder that is there, if its name is free.
pub fn make_file(area: &Area, names: &[String]) -> io::Result<()> {
    let place = Place::walk(area, names)?.found()?;
    let name = names.last().ok_or(io::ErrorKind::AlreadyExists)?;
    let how = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    openat(&place, name.as_str(), how, Mode::from_bits_truncate(0o666))?;
    Ok(fsync(&place)?)
}

/// Renames a file or folder. An error of kind `AlreadyExists` if something is in the way.
pub fn rename(
    area: &Area,
    old: &[String],
    new: &[String],
    overwrite: Overwrite,
) -> io::Result<Before> {
    let (Some(old_name), Some(new_name)) = (old.last(), new.last()) else {
        return Err(Errno::EBUSY.into());
    };
    area.has_nothing_withheld(old)?;
    area.has_nothing_withheld(new)?;
    let from = Place::walk(area, old)?.found()?;
    kind(&from, old_name).ok_or(io::ErrorKind::NotFound)?;
    let into = Place::walk(area, new)?.make()?;
    let before = match kind(&into, new_name) {
        None => Before::Nothing,
        Some(_) if overwrite == Overwrite::No => return Err(io::ErrorKind::AlreadyExists.into()),
        Some(_) => Before::Something,
    };
    renameat(&from, old_name.as_str(), &into, new_name.as_str())?;
    fsync(&into)?;
    Ok(before)
}

/// Gives a file or folder a hidden name beside its own, which is told.
pub fn set_aside(area: &Area, names: &[String]) -> io::Result<Vec<String>> {
    let mut aside = names.to_vec();
    *aside.last_mut().ok_or(Errno::EBUSY)? = format!(".replaced-{:016x}", fastrand::u64(..));
    rename(area, names, &aside, Overwrite::No)?;
    Ok(aside)
}
