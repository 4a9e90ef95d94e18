//! What a stream reports about its peer while nobody reads.

use std::io;
use std::task::{Context, Poll};

/// What tells of a client without reading what it said.
pub(crate) trait Readable {
    /// Ready when the client has spoken; may be ready too early.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Ready when the client has ended its stream, or broken off, also behind what it has sent
    /// before and nobody has read yet.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Has the close drop what the client does not take, where the kernel would keep it and try
    /// on for minutes.
    fn reset_at_close(&self);
}
