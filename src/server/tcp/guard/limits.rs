//! The limits of a request head.

/// Bounds of one request head, in bytes as received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GuardLimits {
    pub(crate) header_bytes: usize,
    pub(crate) header_count: usize,
    pub(crate) uri_bytes: usize,
}
