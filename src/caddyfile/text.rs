//! Reads the text of a Caddyfile from a regular file or a pipe, up to a greatest length.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Bytes of the longest text, in MiB. What is longer is no Caddyfile.
const LONGEST_MIB: u64 = 16;

/// The text of a file. A device is not even opened: that alone may set it to work, and reading it
/// may never end.
pub fn read_file(path: &Path) -> io::Result<String> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() && !kind.is_fifo() {
        return Err(refused("neither a regular file nor a pipe"));
    }
    read_text(File::open(path)?)
}

/// What comes until the end.
pub fn read_text(input: impl Read) -> io::Result<String> {
    let (mut bytes, longest) = (Vec::new(), LONGEST_MIB << 20);
    if input.take(longest + 1).read_to_end(&mut bytes)? as u64 > longest {
        return Err(refused(format!("longer than {LONGEST_MIB} MiB")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        refused(format!("not UTF-8 text at byte {at}"))
    })
}

fn refused(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends() {
        let longest = LONGEST_MIB << 20;
        assert_eq!(read_text(io::repeat(b'a').take(longest)).unwrap().len() as u64, longest);
        let error = read_text(io::repeat(b'a')).unwrap_err();
        assert_eq!(error.to_string(), "longer than 16 MiB");
        let error = read_text(&b"ab\xff"[..]).unwrap_err();
        assert_eq!(error.to_string(), "not UTF-8 text at byte 2");
        let error = read_file(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.to_string(), "neither a regular file nor a pipe");
    }
}
