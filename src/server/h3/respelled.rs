//! A copy of a field section without Huffman code, or with another value in a line.

use bytes::BytesMut;

use crate::server::compression::hpack::Field;
use crate::server::compression::primitives::write_string;

/// How a line is encoded: its place in the section, and the offset of the value's string, if it
/// has one.
pub(super) struct Spelling {
    pub(super) start: usize,
    pub(super) value_at: usize,
    pub(super) end: usize,
    pub(super) has_huffman: bool,
}

/// A copy of a section in which some lines are spelled differently.
pub(super) struct Respelled<'a> {
    section: &'a [u8],
    /// Up to here, the section is in the copy.
    copied: usize,
    out: Option<BytesMut>,
}

impl<'a> Respelled<'a> {
    pub(super) fn of(section: &'a [u8]) -> Self {
        Self { section, copied: 0, out: None }
    }

    /// Writes a line with the strings of `field`, without Huffman code.
    pub(super) fn line(&mut self, spelling: &Spelling, field: Field<'_>) {
        let Spelling { start, value_at, end, .. } = *spelling;
        let section = self.section;
        let out = self.out.get_or_insert_with(|| BytesMut::with_capacity(2 * section.len()));
        if section[start] & 0xe0 == LITERAL_NAME {
            out.extend_from_slice(&section[self.copied..start]);
            write_string(out, section[start] & (LITERAL_NAME | NEVER_INDEXED), 3, field.name);
        } else {
            out.extend_from_slice(&section[self.copied..value_at]);
        }
        write_string(out, 0, 7, field.value);
        self.copied = end;
    }

    pub(super) fn finish(self) -> Option<BytesMut> {
        let mut out = self.out?;
        out.extend_from_slice(&self.section[self.copied..]);
        Some(out)
    }
}

/// The first byte of a line with a literal name, in its three highest bits, and its bit N (RFC 9204
/// section 4.5.6).
const LITERAL_NAME: u8 = 0x20;
const NEVER_INDEXED: u8 = 0x10;
