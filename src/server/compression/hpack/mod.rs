//! HPACK (RFC 7541): a decoder for clients' field blocks, with its dynamic table, and an encoder
//! that writes literals, which need no table.

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

/// Bytes of a dynamic table: what a peer has without a word in SETTINGS.
const TABLE_BYTES: usize = 4096;
/// Memory for literals that is kept for the next block.
const SCRATCH_BYTES: usize = 64 * 1024;

thread_local! {
    /// Where literals are put together. It is empty between blocks, so that a worker needs but one.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A field of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl Field<'_> {
    /// As tables and limits count it (section 4.1).
    pub(crate) fn size(&self) -> usize {
        self.name.len() + self.value.len() + 32
    }
}

/// What is thought of a field. It is kept in the table, so that a field which is sent with each
/// request is judged once.
pub(crate) trait Judged: Copy {
    fn judge(field: Field<'_>) -> Self;
    /// The same of an entry of the static table, from 1 on.
    fn of_static(index: usize) -> Self;
}

/// A field block that cannot be decoded: nothing that follows on its connection can be either.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Undecodable;

/// Reads the blocks of one direction of a connection, which must come in order.
#[derive(Debug)]
pub(crate) struct Decoder<J> {
    table: Table<J>,
}

/// How much the table had taken in when a block began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark(u64);

/// One representation (section 6).
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

    /// Hands the fields of a block to `each`, in order.
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

    /// Hands out once more the fields of the block that was decoded last, which began at `mark`:
    /// those that can still be told.
    pub(crate) fn recall(&self, block: &[u8], mark: Mark, mut each: impl FnMut(Field<'_>)) {
        let mut scratch = SCRATCH.take();
        // How far the block's own fields have moved the entries that it speaks of.
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

/// Writes a field as a literal that is not kept in the table.
pub(crate) fn write_literal(out: &mut BytesMut, field: Field<'_>) {
    out.put_u8(0);
    write_string(out, 0, 7, field.name);
    write_string(out, 0, 7, field.value);
}
