//! Frames of HTTP/2 (RFC 9113 section 4), read and written. Knows neither connection nor stream.

use bytes::{BufMut, BytesMut};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const PRIORITY_UPDATE: u8 = 0x10;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// The error codes NO_ERROR and CANCEL (section 7).
pub const NO_ERROR: u32 = 0;
const CANCEL: u32 = 8;

/// Bytes of a client's connection preface (section 3.4).
pub const PREFACE: usize = 24;
/// Bytes of a frame header.
pub const HEAD: usize = 9;
/// Bytes of the longest payload with the default SETTINGS.
pub const MOST: usize = 16 * 1024;
/// Bytes of a setting: identifier and value (section 6.5.1).
pub const SETTING: usize = 6;
/// The largest window and increment (section 6.9.1).
pub const LARGEST_WINDOW: u32 = (1 << 31) - 1;
/// Each window before SETTINGS and WINDOW_UPDATE (section 6.9.2).
pub const FIRST_WINDOW: u32 = 65_535;

/// A frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub length: usize,
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
}

impl Frame {
    pub fn read(head: &[u8; HEAD]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = *head;
        Self { length: length([a, b, c]), kind, flags, stream: number(stream) }
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Bytes of content in DATA, which are those without padding; `None` if `payload` does not
    /// contain the length of that.
    pub fn content(&self, payload: &[u8]) -> Option<usize> {
        if !self.has(PADDED) || self.length == 0 {
            return Some(self.length);
        }
        let padding = usize::from(*payload.first()?);
        Some((self.length - 1).saturating_sub(padding))
    }

    /// The field block fragment in the payload of HEADERS, without padding; `None` if the payload
    /// is invalid.
    pub fn fragment<'a>(&self, payload: &'a [u8]) -> Option<Fragment<'a>> {
        let mut bytes = payload;
        let padding = if self.has(PADDED) { take::<1>(&mut bytes)?[0] } else { 0 };
        let depends_on = if self.has(PRIORITY) {
            Some(number(*take::<5>(&mut bytes)?.first_chunk()?))
        } else {
            None
        };
        let length = bytes.len().checked_sub(usize::from(padding))?;
        Some(Fragment { bytes: &bytes[..length], depends_on })
    }
}

/// A field block fragment.
pub struct Fragment<'a> {
    pub bytes: &'a [u8],
    /// The stream that this one depends on (priority).
    pub depends_on: Option<u32>,
}

/// The length of the payload.
pub fn length([a, b, c]: [u8; 3]) -> usize {
    u32::from_be_bytes([0, a, b, c]) as usize
}

/// 31 bits after a reserved one.
pub fn number(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes) & LARGEST_WINDOW
}

fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(taken)
}

/// A WINDOW_UPDATE; stream 0 is the connection.
pub fn put_window_update(out: &mut BytesMut, stream: u32, step: u32) {
    put_head(out, Frame { length: 4, kind: WINDOW_UPDATE, flags: 0, stream });
    out.put_u32(step);
}

pub fn put_head(out: &mut BytesMut, frame: Frame) {
    out.put_uint(frame.length as u64, 3);
    out.put_u8(frame.kind);
    out.put_u8(frame.flags);
    out.put_u32(frame.stream);
}

/// A RST_STREAM for h2. Its code is not NO_ERROR, which hyper takes for the end of the content.
pub fn cancel(stream: u32) -> BytesMut {
    let mut reset = BytesMut::new();
    put_head(&mut reset, Frame { length: 4, kind: RST_STREAM, flags: 0, stream });
    reset.put_u32(CANCEL);
    reset
}

/// A field block as HEADERS, with CONTINUATION if required.
pub fn put_block(out: &mut BytesMut, stream: u32, ends: bool, block: &[u8]) {
    let mut kind = HEADERS;
    let mut flags = if ends { END_STREAM } else { 0 };
    let mut rest = block;
    loop {
        let (part, after) = rest.split_at(rest.len().min(MOST));
        if after.is_empty() {
            flags |= END_HEADERS;
        }
        put_head(out, Frame { length: part.len(), kind, flags, stream });
        out.extend_from_slice(part);
        if after.is_empty() {
            return;
        }
        (kind, flags, rest) = (CONTINUATION, 0, after);
    }
}
