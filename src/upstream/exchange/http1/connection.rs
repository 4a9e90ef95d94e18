//! An HTTP/1.1 connection to an upstream. It has no task of its own: the request that uses it
//! polls it. Dropping it closes the connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use tokio_util::io::poll_read_buf;

use super::answer::{self, Answer};
use crate::http::chunked::Chunked;
use crate::limits::RESPONSE_HEAD_BYTES;
use crate::upstream::host::error::ProxyError;
use crate::upstream::{Io, Patience};

/// Sizes of one read: for a head, for a body, and for a long body that the client receives as fast
/// as it arrives.
const SMALL_READ: usize = 8 * 1024;
const LARGE_READ: usize = 64 * 1024;
const HUGE_READ: usize = 256 * 1024;
/// The maximum interval between reads of such a body. A slower client gets smaller buffers.
const QUICK: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) io: Io,
    /// Received and not yet forwarded.
    input: BytesMut,
    /// To be sent: the head of a request, the framing of its body.
    pub(crate) output: BytesMut,
    pub(crate) patience: Patience,
}

impl Conn {
    pub(crate) fn new(io: Io) -> Self {
        Self { io, input: BytesMut::new(), output: BytesMut::new(), patience: Patience::default() }
    }

    /// Whether it can carry another request; `certainly` checks the socket, with a system call.
    pub(crate) fn is_reusable(&mut self, certainly: bool) -> bool {
        self.io.is_quiet() && (!certainly || self.io.is_silent())
    }

    /// Whether received bytes belong to no response.
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Whether the bytes received after a head can begin a chunk. Checked before the head is
    /// forwarded, as the client can still get a 502 then.
    pub(crate) fn begins_a_chunk(&self) -> bool {
        Chunked::of_response(RESPONSE_HEAD_BYTES).framing(&self.input).is_some()
    }

    /// The head of the next response, which may be an interim one.
    pub(crate) fn poll_answer(
        &mut self,
        method: &Method,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Answer, ProxyError>> {
        loop {
            if let Some(answer) = answer::parse(&mut self.input, method)? {
                return Poll::Ready(Ok(answer));
            }
            if self.input.len() >= RESPONSE_HEAD_BYTES {
                return Poll::Ready(Err(ProxyError::Malformed("the head is too large")));
            }
            ready!(self.poll_more(cx)).map_err(ProxyError::Answer)?;
        }
    }

    /// Up to `limit` bytes of a body, from the buffer or one read; none at the end of the stream.
    pub(crate) fn poll_bytes(
        &mut self,
        limit: u64,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Bytes>> {
        if self.input.is_empty() {
            ready!(self.poll_fill(self.read_size(limit), cx))?;
        }
        let count = usize::try_from(limit).map_or(self.input.len(), |l| l.min(self.input.len()));
        Poll::Ready(Ok(self.input.split_to(count).freeze()))
    }

    fn read_size(&self, left: u64) -> usize {
        match usize::try_from(left).unwrap_or(usize::MAX) {
            ..=SMALL_READ => SMALL_READ,
            HUGE_READ.. if self.patience.since().elapsed() < QUICK => HUGE_READ,
            _ => LARGE_READ,
        }
    }

    /// The whole body, if it has been received.
    pub(crate) fn take_whole(&mut self, length: u64) -> Option<Bytes> {
        let length = usize::try_from(length).ok().filter(|length| *length <= self.input.len())?;
        Some(self.input.split_to(length).freeze())
    }

    /// The received bytes, for a parser of framing that consumes them.
    pub(crate) fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Reads once; the end of the stream is an error.
    pub(crate) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.poll_fill(SMALL_READ, cx))? {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_fill(&mut self, size: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.capacity() - self.input.len() < size / 2 {
            self.input.reserve(size);
        }
        let count = ready!(poll_read_buf(Pin::new(&mut self.io), cx, &mut self.input))?;
        self.patience.moved();
        Poll::Ready(Ok(count))
    }
}
