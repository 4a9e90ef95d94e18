//! A field block: HEADERS, with CONTINUATION if necessary.

use super::stop::Reason;
use crate::http2_frames::{CONTINUATION, END_HEADERS, Frame, HEAD, MOST};

/// A complete field block.
pub(super) struct Block<'a> {
    pub(super) stream: u32,
    pub(super) ends: bool,
    pub(super) depends_on_itself: bool,
    pub(super) fields: &'a [u8],
    /// Bytes of its frames.
    pub(super) length: usize,
}

/// The fragments of a block.
pub(super) struct Row<'a> {
    pub(super) fragments: Vec<&'a [u8]>,
    /// Bytes of their frames.
    pub(super) length: usize,
    pub(super) is_whole: bool,
}

/// The fragments of a block in several frames; not complete if there are too many. `Err(None)`: the
/// rest has not arrived. `most` is the limit on the fields.
pub(super) fn row<'a>(
    block: &Block<'a>,
    bytes: &'a [u8],
    most: usize,
) -> Result<Row<'a>, Option<Reason>> {
    let (mut fragments, mut length) = (vec![block.fields], block.length);
    // h2 counts the frames that do not end the block.
    let frames = (most / MOST).max(1);
    let mut left = (frames + frames / 4).max(5);
    loop {
        let rest = &bytes[length..];
        let next = Frame::read(rest.first_chunk().ok_or(None)?);
        let belongs = next.kind == CONTINUATION && next.stream == block.stream;
        if !belongs || next.length > MOST {
            return Err(Some(Reason::Protocol));
        }
        let is_whole = next.has(END_HEADERS);
        if !is_whole && left == 0 {
            return Ok(Row { fragments, length, is_whole });
        }
        left -= usize::from(!is_whole);
        fragments.push(rest[HEAD..].get(..next.length).ok_or(None)?);
        length += HEAD + next.length;
        if is_whole {
            return Ok(Row { fragments, length, is_whole });
        }
    }
}
