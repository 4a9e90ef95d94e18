//! Frame types of HTTP/3 (RFC 9114 section 7.1), and the errors that violations of their rules
//! cause.

use h3::error::Code;

pub(crate) const DATA: u64 = 0x0;
pub(crate) const HEADERS: u64 = 0x1;
pub(crate) const CANCEL_PUSH: u64 = 0x3;
pub(crate) const SETTINGS: u64 = 0x4;
pub(crate) const GOAWAY: u64 = 0x7;
pub(crate) const MAX_PUSH_ID: u64 = 0xd;

/// A rule that a client broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// The connection ends.
    #[error("{1}")]
    Connection(Code, &'static str),
    /// The request is malformed (RFC 9114 section 4.1.2) and its stream ends.
    #[error("the request is malformed")]
    Message,
}

impl Violation {
    pub(crate) const fn frame(why: &'static str) -> Self {
        Self::Connection(Code::H3_FRAME_ERROR, why)
    }

    pub(crate) const fn unexpected() -> Self {
        Self::Connection(Code::H3_FRAME_UNEXPECTED, "a frame that does not belong here")
    }

    pub(crate) const fn too_long() -> Self {
        Self::Connection(Code::H3_EXCESSIVE_LOAD, "a frame is too long")
    }
}

/// Whether a frame has a meaning, or had one in HTTP/2 (section 7.2.8). All others are passed
/// over wherever they come.
pub(crate) fn is_known(kind: u64) -> bool {
    kind <= 0x9 || kind == MAX_PUSH_ID
}

/// A variable-length integer whose bytes may come one by one (RFC 9000 section 16).
#[derive(Debug, Default)]
pub(crate) struct Number {
    value: u64,
    /// Bytes still to come; 0 before the first.
    left: u8,
}

impl Number {
    pub(crate) fn read(&mut self, bytes: &mut &[u8]) -> Option<u64> {
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

    /// Whether some of its bytes are here and others are not.
    pub(crate) fn is_begun(&self) -> bool {
        self.left > 0
    }
}
