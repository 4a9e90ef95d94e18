//! Reads the text of a Caddyfile from a regular file or a pipe, up to a greatest length.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::limits::CADDYFILE_BYTES;

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
    let mut bytes = Vec::new();
    if input.take(CADDYFILE_BYTES + 1).read_to_end(&mut bytes)? as u64 > CADDYFILE_BYTES {
        return Err(refused(format!("longer than {} MiB", CADDYFILE_BYTES >> 20)));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        refused(unreadable(error.as_bytes(), at))
    })?;
    match text.find('\0') {
        Some(at) => Err(refused(unreadable(text.as_bytes(), at))),
        None => Ok(text),
    }
}

/// Why bytes are no text, from the first that is none.
fn unreadable(bytes: &[u8], at: usize) -> String {
    let before = &bytes[..at];
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let column = 1 + String::from_utf8_lossy(&before[start..]).chars().count();
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let coding = match () {
        () if is_utf16 || bytes.iter().take(64).filter(|byte| **byte == 0).count() > 8 => "UTF-16",
        () if bytes.contains(&0) => {
            return format!("not UTF-8 text at byte {at} (line {line}, column {column})");
        }
        () => "ISO-8859-1",
    };
    format!(
        "not UTF-8 text at byte {at} (line {line}, column {column}): if it is {coding}, convert \
         it: iconv -f {coding} -t UTF-8 OLD > NEW"
    )
}

fn refused(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends() {
        let longest = CADDYFILE_BYTES;
        assert_eq!(read_text(io::repeat(b'a').take(longest)).unwrap().len() as u64, longest);
        let error = read_text(io::repeat(b'a')).unwrap_err();
        assert_eq!(error.to_string(), "longer than 16 MiB");
        for (bytes, why) in [
            (&b"ab\xff"[..], "byte 2 (line 1, column 3): if it is ISO-8859-1, convert it: iconv"),
            (b"a\n# \xc3\xbc \xfcx", "byte 7 (line 2, column 5): if it is ISO-8859-1"),
            (b"\xff\xfea\0b\0", "byte 0 (line 1, column 1): if it is UTF-16, convert it: iconv"),
            (b"l\0o\0c\0a\0l\0h\0o\0s\0t\0\n\0", "byte 1 (line 1, column 2): if it is UTF-16"),
            (b"a\nb\0", "byte 3 (line 2, column 2)"),
        ] {
            let error = read_text(bytes).unwrap_err().to_string();
            assert!(error.starts_with("not UTF-8 text at byte") && error.contains(why), "{error}");
        }
        let error = read_file(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.to_string(), "neither a regular file nor a pipe");
    }
}
