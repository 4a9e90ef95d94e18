//! The client's byte stream of a tunnel, as hyper returns it: the connection over HTTP/1.1, one of
//! its streams over HTTP/2. Over HTTP/3 bodies are streams already.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use hyper::body::{Body as HttpBody, Frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::io::poll_read_buf;

use crate::http::{Body, BodyError};
use crate::limits::LINGERING_CLOSE;
use crate::server::tcp::batched_tls::Flusher;

/// Most bytes of one read.
const READ: usize = 16 * 1024;

trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// The stream, which one side reads and the other writes. `None` until the protocol changes.
#[derive(Default)]
pub(crate) struct Wire {
    state: RefCell<State>,
    /// How long the client may take no bytes.
    patience: Option<Duration>,
}

#[derive(Default)]
struct State {
    io: Option<Box<dyn Stream>>,
    /// Bytes received after the request before the protocol changed.
    early: Bytes,
    /// The client has ended its direction, or the reader is gone.
    read_ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Wire {
    pub(super) fn new(patience: Option<Duration>) -> Self {
        Self { state: RefCell::default(), patience }
    }

    /// The client's bytes as a body.
    pub(crate) fn incoming(self: &Rc<Self>) -> Body {
        Body::new(Incoming(self.clone()))
    }

    /// Sends `outgoing` to the client until it ends and the client's direction has ended too.
    /// `flusher` sends the stream's buffered bytes.
    pub(crate) async fn run<T>(
        &self,
        io: T,
        early: Bytes,
        outgoing: Body,
        flusher: Option<Flusher>,
    ) -> Result<(), BodyError>
    where
        T: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        self.open(io, early);
        let mut pump = Pump { outgoing, chunk: Bytes::new(), ended: false, stall: None };
        poll_fn(|cx| {
            loop {
                let polled = pump.poll(self, cx)?;
                match flusher.as_ref().map(|flusher| flusher.poll_send(cx)) {
                    // The stream waited for this flush.
                    Some(Poll::Ready(Ok(true))) if polled.is_pending() => {}
                    Some(Poll::Ready(Err(error))) => return Poll::Ready(Err(error.into())),
                    _ => return polled.map(Ok::<_, BodyError>),
                }
            }
        })
        .await?;
        poll_fn(|cx| self.poll_read_ended(cx)).await;
        let _ = timeout(LINGERING_CLOSE, poll_fn(|cx| self.poll_discard(cx))).await;
        Ok(())
    }

    fn open(&self, io: impl AsyncRead + AsyncWrite + Unpin + 'static, early: Bytes) {
        let mut state = self.state.borrow_mut();
        state.io = Some(Box::new(io));
        state.early = early;
        state.reader.take().into_iter().for_each(Waker::wake);
    }

    fn poll_read(&self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let state = &mut *self.state.borrow_mut();
        let Some(io) = &mut state.io else {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        if !state.early.is_empty() {
            return Poll::Ready(Ok(std::mem::take(&mut state.early)));
        }
        let mut bytes = BytesMut::with_capacity(READ);
        ready!(poll_read_buf(Pin::new(io), cx, &mut bytes))?;
        Poll::Ready(Ok(bytes.freeze()))
    }

    fn end_reading(&self) {
        let mut state = self.state.borrow_mut();
        state.read_ended = true;
        state.writer.take().into_iter().for_each(Waker::wake);
    }

    fn poll_read_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if state.read_ended {
            return Poll::Ready(());
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_write(&self, bytes: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match &mut self.state.borrow_mut().io {
            Some(io) => Pin::new(io).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(&self, shut_down: bool, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state.borrow_mut().io {
            Some(io) if shut_down => Pin::new(io).poll_shutdown(cx),
            Some(io) => Pin::new(io).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Ends with the stream.
    fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scrap = [0_u8; 4096];
        loop {
            let Some(io) = &mut self.state.borrow_mut().io else { return Poll::Ready(()) };
            let mut scrap = ReadBuf::new(&mut scrap);
            match ready!(Pin::new(io).poll_read(cx, &mut scrap)) {
                Ok(()) if !scrap.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}

/// Copies a body into the wire; at most one piece is in memory.
struct Pump {
    outgoing: Body,
    chunk: Bytes,
    ended: bool,
    /// Runs while the client takes no bytes.
    stall: Option<Pin<Box<Sleep>>>,
}

impl Pump {
    fn poll(&mut self, wire: &Wire, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        loop {
            while !self.chunk.is_empty() {
                let Poll::Ready(written) = wire.poll_write(&self.chunk, cx) else {
                    return self.poll_stall(wire, cx).map(Err);
                };
                self.stall = None;
                match written? {
                    0 => return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into())),
                    written => self.chunk.advance(written),
                }
            }
            if self.ended {
                return wire.poll_flush(true, cx).map_err(Into::into);
            }
            match Pin::new(&mut self.outgoing).poll_frame(cx) {
                Poll::Ready(Some(frame)) => self.chunk = frame?.into_data().unwrap_or_default(),
                Poll::Ready(None) => {
                    self.ended = true;
                    // The handler has ended its side of the tunnel.
                    self.outgoing = Body::empty();
                }
                Poll::Pending => {
                    if let Poll::Ready(Err(error)) = wire.poll_flush(false, cx) {
                        return Poll::Ready(Err(error.into()));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_stall(&mut self, wire: &Wire, cx: &mut Context<'_>) -> Poll<BodyError> {
        let Some(patience) = wire.patience else { return Poll::Pending };
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(patience)));
        let too_slow = || io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing");
        stall.as_mut().poll(cx).map(|()| too_slow().into())
    }
}

/// The reading end of a [`Wire`].
struct Incoming(Rc<Wire>);

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let bytes = ready!(self.0.poll_read(cx));
        match bytes {
            Ok(bytes) if !bytes.is_empty() => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            ended => {
                self.0.end_reading();
                Poll::Ready(ended.err().map(|error| Err(error.into())))
            }
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.0.end_reading();
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn local<F: Future>(story: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, story)
    }

    #[test]
    fn bytes_pass_both_ways_and_each_end_closes_its_own_side() {
        local(async {
            let (mut client, server) = duplex(64);
            let wire = Rc::new(Wire::default());
            let incoming = wire.incoming();
            let running = wire.clone();
            tokio::task::spawn_local(async move {
                let hello = Body::from("hello".to_owned());
                running.run(server, Bytes::from_static(b"early "), hello, None).await.unwrap();
            });
            let mut got = String::new();
            client.read_to_string(&mut got).await.unwrap();
            assert_eq!(got, "hello");
            client.write_all(b"late").await.unwrap();
            client.shutdown().await.unwrap();
            let all = incoming.collect().await.unwrap().to_bytes();
            assert_eq!(&all[..], b"early late");
        });
    }

    #[test]
    fn a_client_that_takes_nothing_ends_the_tunnel_where_there_is_a_limit() {
        local(async {
            for (patience, ends) in [(Some(Duration::from_millis(50)), true), (None, false)] {
                let (_client, server) = duplex(4);
                let wire = Wire::new(patience);
                let running = wire.run(server, Bytes::new(), "longer".to_owned().into(), None);
                let ended = timeout(Duration::from_millis(300), running).await;
                assert_eq!(ended.is_ok_and(|done| done.is_err()), ends, "{patience:?}");
            }
        });
    }

    #[test]
    fn a_reader_that_is_gone_ends_the_tunnel() {
        local(async {
            let (mut client, server) = duplex(64);
            let wire = Rc::new(Wire::default());
            drop(wire.incoming());
            let running = tokio::task::spawn_local(async move {
                wire.run(server, Bytes::new(), Body::empty(), None).await.unwrap();
            });
            assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
            drop(client);
            running.await.unwrap();
        });
    }
}
