//! An extended attribute of a file: it moves with its file, and is gone with it.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

/// Most bytes that the kernel takes.
const BYTES: usize = 64 << 10;

/// The value; none where the file, or its file system, has none.
pub fn read_attribute(file: &impl AsFd, name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0; BYTES];
    match fgetxattr(file, name, &mut value[..]) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Sets the value; an empty one removes the attribute.
pub fn write_attribute(file: &impl AsFd, name: &str, value: &[u8]) -> io::Result<()> {
    if !value.is_empty() {
        return Ok(fsetxattr(file, name, value, XattrFlags::empty())?);
    }
    match fremovexattr(file, name) {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
