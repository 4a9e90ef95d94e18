//! Integers and strings of HPACK and QPACK (RFC 7541 section 5, RFC 9204 section 4.1).

use bytes::{BufMut, BytesMut};

/// An encoded string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coded<'a> {
    pub(crate) bytes: &'a [u8],
    /// Whether it is in Huffman code.
    pub(crate) is_huffman: bool,
}

/// An integer in the low `bits` of a byte and the following bytes; `None` if it is incomplete or
/// too large.
pub(crate) fn read_integer(bytes: &mut &[u8], bits: u32) -> Option<usize> {
    let (first, mut rest) = bytes.split_first()?;
    let most = (1_usize << bits) - 1;
    let mut value = usize::from(*first) & most;
    if value == most {
        // No length or index has more than 28 bits.
        for shift in (0..28).step_by(7) {
            let (next, after) = rest.split_first()?;
            rest = after;
            value += usize::from(next & 0x7f) << shift;
            if next & 0x80 == 0 {
                *bytes = rest;
                return Some(value);
            }
        }
        return None;
    }
    *bytes = rest;
    Some(value)
}

/// A string whose length is in the low `bits`, after the bit for Huffman code.
pub(crate) fn read_string<'a>(bytes: &mut &'a [u8], bits: u32) -> Option<Coded<'a>> {
    let is_huffman = bytes.first().is_some_and(|first| first >> bits & 1 == 1);
    let length = read_integer(bytes, bits)?;
    let (string, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(Coded { bytes: string, is_huffman })
}

/// Encodes an integer in the low `bits` of a byte with `flags`, and in the following bytes.
pub(crate) fn write_integer(out: &mut BytesMut, flags: u8, bits: u32, value: usize) {
    let most = (1_usize << bits) - 1;
    if value < most {
        return out.put_u8(flags | value as u8);
    }
    out.put_u8(flags | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

/// Encodes a string after `flags`, with its length in the low `bits` of the first byte.
pub(crate) fn write_string(out: &mut BytesMut, flags: u8, bits: u32, bytes: &[u8]) {
    write_integer(out, flags, bits, bytes.len());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_they_are_written() {
        for bits in 1..=8 {
            for value in (0..600).chain([16_383, 16_384, (1 << 28) - 1]) {
                let mut out = BytesMut::new();
                write_integer(&mut out, 0, bits, value);
                let mut rest = &out[..];
                assert_eq!(read_integer(&mut rest, bits), Some(value), "{bits} bits");
                assert!(rest.is_empty(), "{value} in {bits} bits");
                for end in 0..out.len() {
                    assert_eq!(read_integer(&mut &out[..end], bits), None, "{value} is cut off");
                }
            }
        }
        // RFC 7541 appendix C.1.2.
        assert_eq!(read_integer(&mut &b"\x1f\x9a\x0a"[..], 5), Some(1337));
        assert_eq!(read_integer(&mut &b"\x7f\xff\xff\xff\xff\x01"[..], 7), None, "too large");
    }

    #[test]
    fn long_strings() {
        let mut out = BytesMut::new();
        write_string(&mut out, 0, 7, &[b'x'; 127 + 128]);
        assert_eq!(&out[..4], b"\x7f\x80\x01x");
        let whole = Coded { bytes: &[b'x'; 127 + 128], is_huffman: false };
        assert_eq!(read_string(&mut &out[..], 7), Some(whole));
        assert_eq!(read_string(&mut &out[..100], 7), None);
        let coded = Coded { bytes: b"a", is_huffman: true };
        assert_eq!(read_string(&mut &b"\x81a"[..], 7), Some(coded));
    }
}
