//! What a stream reports about its peer while nobody reads.

use std::io;
use std::task::{Context, Poll};

/// Detects activity of a client without reading its bytes.
pub(crate) trait Readable {
    /// Ready when the client has sent something; may be ready too early.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Ready when the client has ended its direction or aborted, even if earlier bytes are still
    /// unread.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Makes the close discard unsent bytes, which the kernel would otherwise keep and retransmit
    /// for minutes.
    fn reset_at_close(&self);
}
