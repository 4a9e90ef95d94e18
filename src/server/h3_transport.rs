//! quinn under h3, for what h3-quinn leaves out: a client that stops a response is noticed at
//! once, a frame that h3 would gather whole is bounded before it is gathered, a WebSocket can be
//! asked for, and the response can be written past h3.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::stream::{self, Stream, StreamExt};
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};
use quinn::{ConnectionError, ReadError, VarInt, WriteError};

use super::h3_connect::Head;
use super::h3_frames::{Frames, TooLong};
use super::h3_response::Shared;

type Accepting =
    Pin<Box<dyn Stream<Item = Result<(quinn::SendStream, quinn::RecvStream), ConnectionError>>>>;

/// The sending half of the request stream accepted last. To be taken right after h3 has given
/// out its request.
#[derive(Clone, Default)]
pub(super) struct LastAccepted(Rc<Cell<Option<Shared>>>);

impl LastAccepted {
    pub(super) fn take(&self) -> Option<Shared> {
        self.0.take()
    }
}

/// Ends when the client stops the response or is gone.
pub(super) fn given_up(stream: &Shared) -> impl Future<Output = ()> + use<> {
    let stopped = stream.borrow().stopped();
    async move {
        // Without a code the response has ended, and its task with it.
        if matches!(stopped.await, Ok(None)) {
            std::future::pending::<()>().await;
        }
    }
}

/// One QUIC connection.
pub(super) struct Transport {
    quic: quinn::Connection,
    /// Opens and accepts the streams of one direction.
    plain: h3_quinn::Connection,
    accepting: Accepting,
    accepted: LastAccepted,
    frame_bytes: u64,
}

impl Transport {
    /// `frame_bytes` bounds every frame but DATA.
    pub(super) fn new(quic: quinn::Connection, frame_bytes: u64) -> Self {
        let accepting =
            stream::unfold(quic.clone(), |quic| async { Some((quic.accept_bi().await, quic)) });
        Self {
            plain: h3_quinn::Connection::new(quic.clone()),
            quic,
            accepting: Box::pin(accepting),
            accepted: LastAccepted::default(),
            frame_bytes,
        }
    }

    pub(super) fn last_accepted(&self) -> LastAccepted {
        self.accepted.clone()
    }
}

impl quic::Connection<Bytes> for Transport {
    type RecvStream = Bounded<h3_quinn::RecvStream>;
    type OpenStreams = Opener;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::RecvStream, ConnectionErrorIncoming>> {
        let plain = &mut self.plain;
        let stream =
            ready!(<h3_quinn::Connection as quic::Connection<Bytes>>::poll_accept_recv(plain, cx))?;
        let frames = Frames::of_unidirectional(self.frame_bytes);
        Poll::Ready(Ok(Bounded { stream, frames, quic: self.quic.clone() }))
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bidi, ConnectionErrorIncoming>> {
        let accepted = ready!(self.accepting.poll_next_unpin(cx));
        let accepted = accepted.unwrap_or(Err(ConnectionError::LocallyClosed));
        let (send, receive) = accepted.map_err(connection_error)?;
        let id = StreamId::try_from(u64::from(send.id()))
            .map_err(|error| ConnectionErrorIncoming::InternalError(error.to_string()))?;
        let stream = Rc::new(RefCell::new(send));
        self.accepted.0.set(Some(stream.clone()));
        let frames = Frames::of_request(self.frame_bytes);
        let receive = Receive { stream: receive, id, head: Head::new(self.frame_bytes) };
        Poll::Ready(Ok(Bidi {
            send: Send { stream, id, writing: None },
            receive: Bounded { stream: receive, frames, quic: self.quic.clone() },
        }))
    }

    fn opener(&self) -> Opener {
        Opener(<h3_quinn::Connection as quic::Connection<Bytes>>::opener(&self.plain))
    }
}

impl quic::OpenStreams<Bytes> for Transport {
    type BidiStream = Bidi;
    type SendStream = h3_quinn::SendStream<Bytes>;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Bidi, StreamErrorIncoming>> {
        Poll::Ready(Err(never_opened()))
    }

    fn poll_open_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::SendStream, StreamErrorIncoming>> {
        quic::OpenStreams::<Bytes>::poll_open_send(&mut self.plain, cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        close(&self.quic, code, reason);
    }
}

/// Opens streams while the connection itself is elsewhere.
pub(super) struct Opener(h3_quinn::OpenStreams);

impl quic::OpenStreams<Bytes> for Opener {
    type BidiStream = Bidi;
    type SendStream = h3_quinn::SendStream<Bytes>;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Bidi, StreamErrorIncoming>> {
        Poll::Ready(Err(never_opened()))
    }

    fn poll_open_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::SendStream, StreamErrorIncoming>> {
        quic::OpenStreams::<Bytes>::poll_open_send(&mut self.0, cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        quic::OpenStreams::<Bytes>::close(&mut self.0, code, reason);
    }
}

/// One request stream.
pub(super) struct Bidi {
    send: Send,
    receive: Bounded<Receive>,
}

impl quic::BidiStream<Bytes> for Bidi {
    type SendStream = Send;
    type RecvStream = Bounded<Receive>;

    fn split(self) -> (Send, Bounded<Receive>) {
        (self.send, self.receive)
    }
}

impl quic::SendStream<Bytes> for Bidi {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, code: u64) {
        self.send.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.send.id
    }
}

impl quic::RecvStream for Bidi {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.receive.poll_data(cx)
    }

    fn stop_sending(&mut self, code: u64) {
        self.receive.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.receive.recv_id()
    }
}

/// The response's half of a request stream.
pub(super) struct Send {
    stream: Shared,
    id: StreamId,
    writing: Option<WriteBuf<Bytes>>,
}

impl quic::SendStream<Bytes> for Send {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        if let Some(data) = &mut self.writing {
            while data.has_remaining() {
                let mut stream = self.stream.borrow_mut();
                let written = Pin::new(&mut *stream).poll_write(cx, data.chunk());
                data.advance(ready!(written).map_err(write_error)?);
            }
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        if self.writing.is_some() {
            return Err(StreamErrorIncoming::Unknown("a write before the last one ended".into()));
        }
        self.writing = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        let finished = self.stream.borrow_mut().finish();
        Poll::Ready(finished.map_err(|error| StreamErrorIncoming::Unknown(error.into())))
    }

    fn reset(&mut self, code: u64) {
        // An error says that the stream has ended already.
        let _ = self.stream.borrow_mut().reset(var_int(code));
    }

    fn send_id(&self) -> StreamId {
        self.id
    }
}

/// The request's half of a request stream.
pub(super) struct Receive {
    stream: quinn::RecvStream,
    id: StreamId,
    head: Head,
}

impl quic::RecvStream for Receive {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        loop {
            // The stream itself, and not this future, remembers who waits.
            let read = pin!(self.stream.read_chunk(usize::MAX, true)).poll(cx);
            match ready!(read).map_err(read_error)? {
                None => return Poll::Ready(Ok(self.head.rest())),
                Some(chunk) => {
                    if let Some(bytes) = self.head.pass(chunk.bytes) {
                        return Poll::Ready(Ok(Some(bytes)));
                    }
                }
            }
        }
    }

    fn stop_sending(&mut self, code: u64) {
        // An error says that the stream has ended already.
        let _ = self.stream.stop(var_int(code));
    }

    fn recv_id(&self) -> StreamId {
        self.id
    }
}

/// A receiving stream whose frames are measured as they pass.
pub(super) struct Bounded<R> {
    stream: R,
    frames: Frames,
    quic: quinn::Connection,
}

impl<R: quic::RecvStream<Buf = Bytes>> quic::RecvStream for Bounded<R> {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let data = ready!(self.stream.poll_data(cx))?;
        if let Some(data) = &data
            && let Err(error @ TooLong) = self.frames.pass(data)
        {
            close(&self.quic, Code::H3_EXCESSIVE_LOAD, error.to_string().as_bytes());
            let connection_error = ConnectionErrorIncoming::InternalError(error.to_string());
            return Poll::Ready(Err(StreamErrorIncoming::ConnectionErrorIncoming {
                connection_error,
            }));
        }
        Poll::Ready(Ok(data))
    }

    fn stop_sending(&mut self, code: u64) {
        self.stream.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.stream.recv_id()
    }
}

fn close(quic: &quinn::Connection, code: Code, reason: &[u8]) {
    quic.close(var_int(code.value()), reason);
}

fn var_int(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}

fn never_opened() -> StreamErrorIncoming {
    StreamErrorIncoming::Unknown("a server opens no request streams".into())
}

fn connection_error(error: ConnectionError) -> ConnectionErrorIncoming {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            ConnectionErrorIncoming::ApplicationClose { error_code: close.error_code.into() }
        }
        ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        other => ConnectionErrorIncoming::Undefined(Arc::new(other)),
    }
}

fn read_error(error: ReadError) -> StreamErrorIncoming {
    match error {
        ReadError::Reset(code) => {
            StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() }
        }
        ReadError::ConnectionLost(error) => StreamErrorIncoming::ConnectionErrorIncoming {
            connection_error: connection_error(error),
        },
        other => StreamErrorIncoming::Unknown(other.into()),
    }
}

fn write_error(error: WriteError) -> StreamErrorIncoming {
    match error {
        WriteError::Stopped(code) => {
            StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() }
        }
        WriteError::ConnectionLost(error) => StreamErrorIncoming::ConnectionErrorIncoming {
            connection_error: connection_error(error),
        },
        other => StreamErrorIncoming::Unknown(other.into()),
    }
}
