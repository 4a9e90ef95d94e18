//! Writes a response to its request stream. The head, the first content and the end leave together
//! if they are available together, and content is passed to QUIC without a copy. h3 is not involved
//! in writing; it keeps the state of the connection and its requests.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h3::error::Code;
use http::{HeaderMap, Response};
use hyper::body::{Body as HttpBody, Frame};
use quinn::SendStream;
use tokio::time::{Sleep, sleep};

use super::frames::{DATA, HEADERS};
use super::send_order::Ordered;
use super::{close, varint};
use crate::http::{Body, BodyError};
use crate::server::compression::qpack;
use crate::server::dispatch::Tally;

/// Bytes reserved for the frame type and length, which are known after the payload.
const FRAME_HEAD: usize = 9;
/// Bytes that are collected before they are sent although more are available.
const GATHERED: usize = 64 * 1024;

/// The sending half, which is shared with h3.
pub(crate) type Shared = Rc<RefCell<SendStream>>;

/// The sending half of the request stream accepted last. It must be taken right after h3 has
/// returned the request.
#[derive(Clone, Default)]
pub(crate) struct LastAccepted(Rc<Cell<Option<Shared>>>);

impl LastAccepted {
    pub(super) fn put(&self, stream: Shared) {
        self.0.set(Some(stream));
    }

    pub(crate) fn take(&self) -> Option<Shared> {
        self.0.take()
    }
}

/// How a response is sent.
pub(crate) struct Sending<'a> {
    /// Goes before it.
    pub(crate) before: BytesMut,
    /// A client that takes nothing for so long is an error.
    pub(crate) patience: Option<Duration>,
    pub(crate) tally: &'a Tally,
    pub(crate) order: Option<&'a Ordered>,
}

/// Sends the response to its end and gives its length; on an error the stream is to be [`reset`].
pub(crate) async fn answer(
    stream: &Shared,
    response: Response<Body>,
    sending: Sending<'_>,
) -> Result<u64, BodyError> {
    let Sending { before, patience, tally, order } = sending;
    let (head, mut body) = response.into_parts();
    let mut queue = Queue { scratch: before, patience, has_head: true, ..Queue::default() };
    queue.push_section(|out| qpack::write_head(out, head.status, &head.headers));
    drop(head);
    poll_fn(|cx| {
        loop {
            let before = queue.total;
            let gathered = queue.poll_gather(&mut body, cx)?;
            tally.sent(queue.total - before);
            ready!(queue.poll_write(&mut stream.borrow_mut(), order, cx))?;
            ready!(gathered);
            if queue.ended {
                stream.borrow_mut().finish()?;
                return Poll::Ready(Ok(queue.total));
            }
        }
    })
    .await
}

/// Returns when the client has received everything, which is true, or has stopped reading.
pub(crate) async fn delivered(stream: &Shared) -> bool {
    let stopped = stream.borrow().stopped();
    matches!(stopped.await, Ok(None))
}

/// Returns when the client has stopped the response or disconnected; the result tells which.
pub(crate) fn given_up(stream: &Shared) -> impl Future<Output = bool> + use<> {
    let stopped = stream.borrow().stopped();
    async move {
        match stopped.await {
            // The response has ended, and its task with it.
            Ok(None) => std::future::pending().await,
            Ok(Some(_)) => true,
            Err(_) => false,
        }
    }
}

/// Resets the stream, so that the response cannot look complete.
pub(crate) fn reset(stream: &Shared, code: Code) {
    // An error means that the stream has ended already.
    let _ = stream.borrow_mut().reset(close::var_int(code.value()));
}

/// Writes a HEADERS frame to an empty buffer.
pub(super) fn write_section(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    out.reserve(512);
    out.put_bytes(0, FRAME_HEAD);
    write(out);
    // The frame header is written directly before its payload, whose length is known only now.
    let mut head = BytesMut::with_capacity(FRAME_HEAD);
    head.put_u8(HEADERS as u8);
    varint::write(&mut head, out.len() - FRAME_HEAD);
    let start = FRAME_HEAD - head.len();
    out[start..FRAME_HEAD].copy_from_slice(&head);
    out.advance(start);
}

/// What is to be written.
#[derive(Default)]
struct Queue {
    chunks: Vec<Bytes>,
    bytes: usize,
    /// Bytes of content so far.
    total: u64,
    /// Frame headers and field sections before the next chunk.
    scratch: BytesMut,
    ended: bool,
    /// The first chunk is the head, which waits for no other response.
    has_head: bool,
    /// How long the client may read nothing.
    patience: Option<Duration>,
    /// Runs while the client reads nothing.
    stall: Option<Pin<Box<Sleep>>>,
}

impl Queue {
    /// Takes available frames from the body. Pending: more follow later.
    fn poll_gather(
        &mut self,
        body: &mut Body,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BodyError>> {
        while !self.ended && self.bytes < GATHERED {
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(frame) => self.push(frame?),
                None => self.ended = true,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn push(&mut self, frame: Frame<Bytes>) {
        match frame.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => {
                self.scratch.put_u8(DATA as u8);
                varint::write(&mut self.scratch, data.len());
                self.seal();
                self.bytes += data.len();
                self.total += data.len() as u64;
                self.chunks.push(data);
            }
            Err(frame) => {
                let trailers: HeaderMap = frame.into_trailers().unwrap_or_default();
                self.push_section(|out| qpack::write_trailers(out, &trailers));
                self.ended = true;
            }
        }
    }

    /// Adds a HEADERS frame.
    fn push_section(&mut self, write: impl FnOnce(&mut BytesMut)) {
        self.seal();
        write_section(&mut self.scratch, write);
    }

    /// Turns the scratch buffer into a chunk.
    fn seal(&mut self) {
        if !self.scratch.is_empty() {
            let chunk = self.scratch.split().freeze();
            self.bytes += chunk.len();
            self.chunks.push(chunk);
        }
    }

    /// Writes until everything has been sent.
    fn poll_write(
        &mut self,
        stream: &mut SendStream,
        order: Option<&Ordered>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BodyError>> {
        self.seal();
        while self.bytes > 0 {
            let waits = order.is_some_and(|order| order.poll_turn(stream, cx).is_pending());
            if waits && !self.has_head {
                self.stall = None;
                return Poll::Pending;
            }
            let some = if waits { 1 } else { self.chunks.len() };
            // The stream stores the waker, not this future.
            let written = pin!(stream.write_chunks(&mut self.chunks[..some])).poll(cx);
            let Poll::Ready(written) = written else {
                order.filter(|_| !waits).iter().for_each(|order| order.poll_blocked(cx));
                return self.poll_stall(cx).map(|()| Err(too_slow()));
            };
            let written = written?;
            order.iter().for_each(|order| order.wrote(written.bytes));
            self.chunks.drain(..written.chunks);
            self.bytes -= written.bytes;
            self.has_head &= written.chunks == 0;
            self.stall = None;
        }
        order.iter().for_each(|order| order.rest());
        Poll::Ready(Ok(()))
    }

    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(patience) = self.patience else { return Poll::Pending };
        let timer = || Box::pin(sleep(patience));
        self.stall.get_or_insert_with(timer).as_mut().poll(cx)
    }
}

fn too_slow() -> BodyError {
    io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing of its response").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_content_share_their_chunks() {
        let mut queue = Queue::default();
        let ok = http::StatusCode::OK;
        queue.push_section(|out| qpack::write_head(out, ok, &HeaderMap::new()));
        queue.push(Frame::data(Bytes::from(vec![b'x'; 100])));
        queue.push(Frame::data(Bytes::new()));
        queue.push(Frame::trailers(HeaderMap::new()));
        queue.seal();
        assert_eq!(queue.chunks[0], &b"\x01\x03\0\0\xd9\x00\x40\x64"[..]);
        assert_eq!(queue.chunks[1].len(), 100);
        assert_eq!(queue.chunks[2], &b"\x01\x02\0\0"[..]);
        assert_eq!((queue.chunks.len(), queue.ended, queue.bytes), (3, true, 112));
    }
}
