//! Frame types of HTTP/3 (RFC 9114 section 7.1), and the errors that violations of their rules
//! cause.

use h3::error::Code;

pub(crate) const DATA: u64 = 0x0;
pub(crate) const HEADERS: u64 = 0x1;
pub(crate) const CANCEL_PUSH: u64 = 0x3;
pub(crate) const SETTINGS: u64 = 0x4;
pub(crate) const GOAWAY: u64 = 0x7;
pub(crate) const MAX_PUSH_ID: u64 = 0xd;
/// RFC 9218 section 7.2, for requests and for pushed responses.
pub(crate) const PRIORITY_UPDATE: u64 = 0xf_0700;
pub(crate) const PRIORITY_UPDATE_PUSH: u64 = 0xf_0701;

/// A violation of the protocol by a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// The connection is closed.
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
        Self::Connection(Code::H3_FRAME_UNEXPECTED, "the frame is not allowed here")
    }

    pub(crate) const fn too_long() -> Self {
        Self::Connection(Code::H3_EXCESSIVE_LOAD, "the frame is too long")
    }
}

/// Whether a frame type is defined, or was in HTTP/2 (section 7.2.8). All others are ignored
/// anywhere.
pub(crate) fn is_known(kind: u64) -> bool {
    kind <= 0x9 || matches!(kind, MAX_PUSH_ID | PRIORITY_UPDATE | PRIORITY_UPDATE_PUSH)
}
