//! What a connection's stream tells of its client while nobody reads.

use std::io;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;
use tokio::net::TcpStream;

/// What tells of a client without reading what it said.
pub(crate) trait Readable {
    /// Ready when the client has spoken; may be ready too early.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Ready when the client has ended its stream, or broken off. What it has sent before and
    /// nobody has read yet hides that.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Has the close drop what the client does not take, where the kernel would keep it and try
    /// on for minutes.
    fn reset_at_close(&self);
}

impl Readable for TcpStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_read_ready(cx).map(drop)
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.poll_peek(cx, &mut ReadBuf::new(&mut [0]))) {
            Ok(0) => Poll::Ready(Ok(())),
            Ok(_) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn reset_at_close(&self) {
        // On a socket that is not connected any more there is nothing to drop.
        let _ = self.set_zero_linger();
    }
}
