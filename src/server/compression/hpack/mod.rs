//! HPACK (RFC 7541): a decoder for the field blocks of clients with its dynamic table, and an
//! encoder that writes literals only, which requires no table.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod table;
#[cfg(test)]
mod tests;

use std::cell::Cell;

use bytes::{BufMut, BytesMut};

use self::table::Table;
pub(crate) use self::table::fixed;
use super::huffman;
use super::primitives::{Coded, read_integer, read_string, write_string};

/// The size of a dynamic table without a setting.
const TABLE_BYTES: usize = 4096;
/// Bytes of memory for literals that are kept for the next block.
const SCRATCH_BYTES: usize = 64 * 1024;

thread_local! {
    /// The buffer for literals. It is empty between blocks, so a worker requires only one.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A field of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl Field<'_> {
    /// The size as tables and limits count it (section 4.1).
    pub(crate) fn size(&self) -> usize {
        self.name.len() + self.value.len() + 32
    }
}

/// The verdict on a field. It is stored in the table, so that a field which is sent with each
/// request is checked once.
pub(crate) trait Judged: Copy {
    fn judge(field: Field<'_>) -> Self;
    /// The verdict on an entry of the static table, from 1 on.
    fn of_static(index: usize) -> Self;
}

/// A field block that cannot be decoded: all later blocks of the connection cannot either.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Undecodable;

/// Decodes the blocks of one direction of a connection, which must be in order.
#[derive(Debug)]
pub(crate) struct Decoder<J> {
    table: Table<J>,
}

/// The number of entries inserted into the table before a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark(u64);

/// A field representation (section 6).
enum Line<'a> {
    Indexed(usize),
    Literal { name: Name<'a>, value: Coded<'a>, is_kept: bool },
    Resize(usize),
}

enum Name<'a> {
    Indexed(usize),
    Literal(Coded<'a>),
}

impl<J: Judged> Decoder<J> {
    pub(crate) fn new() -> Self {
        Self { table: Table::new(TABLE_BYTES) }
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark(self.table.inserted())
    }

    /// Passes the fields of a block to `each`, in order.
    pub(crate) fn decode(
        &mut self,
        block: &[u8],
        mut each: impl FnMut(J, Field<'_>),
    ) -> Result<(), Undecodable> {
        let mut scratch = SCRATCH.take();
        let read = self.read(block, &mut scratch, &mut each);
        put_back(scratch);
        read.ok_or(Undecodable)
    }

    fn read(
        &mut self,
        block: &[u8],
        scratch: &mut Vec<u8>,
        each: &mut impl FnMut(J, Field<'_>),
    ) -> Option<()> {
        let (mut rest, mut may_resize) = (block, true);
        while !rest.is_empty() {
            match read_line(&mut rest)? {
                Line::Resize(bytes) if may_resize && bytes <= TABLE_BYTES => {
                    self.table.resize(bytes);
                    continue;
                }
                Line::Resize(_) => return None,
                Line::Indexed(index) => {
                    let (judged, field) = self.get(index)?;
                    each(judged, field);
                }
                Line::Literal { name, value, is_kept } => {
                    scratch.clear();
                    match name {
                        Name::Indexed(index) => {
                            scratch.extend_from_slice(self.get(index)?.1.name);
                        }
                        Name::Literal(name) => put_text(name, scratch)?,
                    }
                    let name = scratch.len();
                    put_text(value, scratch)?;
                    let field = Field { name: &scratch[..name], value: &scratch[name..] };
                    let judged = J::judge(field);
                    each(judged, field);
                    if is_kept {
                        self.table.insert(judged, field);
                    }
                }
            }
            may_resize = false;
        }
        Some(())
    }

    fn get(&self, index: usize) -> Option<(J, Field<'_>)> {
        match table::fixed(index) {
            Some(field) => Some((J::of_static(index), field)),
            None => self.table.get(index.checked_sub(table::FIXED + 1)?),
        }
    }

    /// Returns again the fields of the last block, which began at `mark`, except those whose
    /// entries have been evicted.
    pub(crate) fn recall(&self, block: &[u8], mark: Mark, mut each: impl FnMut(Field<'_>)) {
        let mut scratch = SCRATCH.take();
        // The number of entries that the block has inserted so far, which shifts its indexes.
        let mut shift = (self.table.inserted() - mark.0) as usize;
        let mut rest = block;
        while let Some(line) = read_line(&mut rest) {
            let get = |index: usize| match index {
                0..=table::FIXED => table::fixed(index),
                _ => Some(self.table.get(index - table::FIXED - 1 + shift)?.1),
            };
            match line {
                Line::Resize(_) => {}
                Line::Indexed(index) => get(index).into_iter().for_each(&mut each),
                Line::Literal { name, value, is_kept } => {
                    scratch.clear();
                    let named = match name {
                        Name::Indexed(index) => {
                            get(index).map(|field| scratch.extend_from_slice(field.name))
                        }
                        Name::Literal(name) => put_text(name, &mut scratch),
                    };
                    let name = scratch.len();
                    let mut is_held = is_kept;
                    if named.and_then(|()| put_text(value, &mut scratch)).is_some() {
                        let field = Field { name: &scratch[..name], value: &scratch[name..] };
                        each(field);
                        is_held &= self.table.holds(field);
                    }
                    shift = shift.saturating_sub(usize::from(is_held));
                }
            }
        }
        put_back(scratch);
    }
}

fn read_line<'a>(rest: &mut &'a [u8]) -> Option<Line<'a>> {
    let first = *rest.first()?;
    let bits = match first {
        0x80.. => return read_integer(rest, 7).map(Line::Indexed),
        0x40.. => 6,
        0x20.. => return read_integer(rest, 5).map(Line::Resize),
        _ => 4,
    };
    let name = match read_integer(rest, bits)? {
        0 => Name::Literal(read_string(rest, 7)?),
        index => Name::Indexed(index),
    };
    Some(Line::Literal { name, value: read_string(rest, 7)?, is_kept: bits == 6 })
}

fn put_text(coded: Coded<'_>, out: &mut Vec<u8>) -> Option<()> {
    if coded.is_huffman {
        return huffman::decode(coded.bytes, out).then_some(());
    }
    out.extend_from_slice(coded.bytes);
    Some(())
}

fn put_back(scratch: Vec<u8>) {
    if scratch.capacity() <= SCRATCH_BYTES {
        SCRATCH.set(scratch);
    }
}

/// Encodes a field as a literal without indexing.
pub(crate) fn write_literal(out: &mut BytesMut, field: Field<'_>) {
    out.put_u8(0);
    write_string(out, 0, 7, field.name);
    write_string(out, 0, 7, field.value);
}
