//! Variable-length integers (RFC 9000 section 16), read and written.

use bytes::{BufMut, BytesMut};

/// Decodes an integer whose bytes may arrive one by one.
#[derive(Debug, Default)]
pub(super) struct VarIntReader {
    value: u64,
    /// Bytes that are missing; 0 before the first one.
    left: u8,
}

impl VarIntReader {
    /// The integer after its last byte; `bytes` is then what follows it.
    pub(super) fn read(&mut self, bytes: &mut &[u8]) -> Option<u64> {
        while let Some((first, rest)) = bytes.split_first() {
            *bytes = rest;
            if self.left == 0 {
                self.value = u64::from(first & 0x3f);
                self.left = (1 << (first >> 6)) - 1;
            } else {
                self.value = self.value << 8 | u64::from(*first);
                self.left -= 1;
            }
            if self.left == 0 {
                return Some(self.value);
            }
        }
        None
    }

    /// Whether the integer is incomplete.
    pub(super) fn is_begun(&self) -> bool {
        self.left > 0
    }
}

/// Encodes an integer in the fewest bytes.
pub(super) fn write(out: &mut BytesMut, value: usize) {
    match value as u64 {
        value @ ..0x40 => out.put_u8(value as u8),
        value @ ..0x4000 => out.put_u16(value as u16 | 0x4000),
        value @ ..0x4000_0000 => out.put_u32(value as u32 | 0x8000_0000),
        value => out.put_u64(value | 0xc000_0000_0000_0000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_they_are_written_in_the_fewest_bytes() {
        for (value, want) in [
            (0, &b"\0"[..]),
            (0x3f, b"\x3f"),
            (0x40, b"\x40\x40"),
            (0x3fff, b"\x7f\xff"),
            (0x4000, b"\x80\0\x40\0"),
            (0x3fff_ffff, b"\xbf\xff\xff\xff"),
            (0x4000_0000, b"\xc0\0\0\0\x40\0\0\0"),
            ((1 << 62) - 1, b"\xff\xff\xff\xff\xff\xff\xff\xff"),
        ] {
            let mut out = BytesMut::new();
            write(&mut out, value);
            assert_eq!(&out[..], want, "{value:#x}");
            let mut reader = VarIntReader::default();
            let (mut head, mut last) = want.split_at(want.len() - 1);
            assert_eq!(reader.read(&mut head), None, "{value:#x}");
            assert_eq!(reader.is_begun(), want.len() > 1, "{value:#x}");
            assert_eq!(reader.read(&mut last), Some(value as u64), "{value:#x}");
            assert!(!reader.is_begun());
        }
    }
}
