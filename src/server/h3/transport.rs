//! The transport that h3 uses, on quinn. It adds what both lack: a client that stops a response is
//! noticed at once, rules of HTTP/3 that h3 does not enforce are enforced, and responses bypass h3.

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt};
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};
use quinn::{ConnectionError, ReadError};

use super::close::{close, end, var_int};
use super::connection_window::{ConnectionWindow, StreamReader};
use super::control::{self, CLOSED, CRITICAL_STREAMS, Seen, StreamKind};
use super::control_stream::ControlStream;
use super::errors::{connection_error, read_error};
use super::frames::Violation;
use super::gate::Gate;
use super::patience::Patience;
use super::priorities::Priorities;
use super::refusals::Refusals;
use super::response::{self, LastAccepted, Shared};
use super::send_order::{FIRST, SendOrder};
use super::sending::Send;

type Accepting =
    Pin<Box<dyn Stream<Item = Result<(quinn::SendStream, quinn::RecvStream), ConnectionError>>>>;

type Reading = Pin<Box<dyn Future<Output = Result<StreamKind<h3_quinn::RecvStream>, Violation>>>>;

/// One QUIC connection.
pub(crate) struct Transport {
    quic: quinn::Connection,
    /// Accepts the streams of one direction.
    plain: h3_quinn::Connection,
    opener: Opener,
    accepting: Accepting,
    accepted: LastAccepted,
    /// The client's unidirectional streams, which of the critical ones are open, and the client's
    /// STOP_SENDING for ours.
    reading: FuturesUnordered<Reading>,
    seen: Seen,
    /// How many of our critical streams are still to be opened.
    critical: u8,
    patience: Patience,
    refusals: Refusals,
    window: ConnectionWindow,
    priorities: Priorities,
    frame_bytes: u64,
}

impl Transport {
    /// `frame_bytes` bounds every frame except DATA.
    pub(crate) fn new(quic: quinn::Connection, frame_bytes: u64, patience: Patience) -> Self {
        let accepting =
            stream::unfold(quic.clone(), |quic| async { Some((quic.accept_bi().await, quic)) });
        Self {
            plain: h3_quinn::Connection::new(quic.clone()),
            opener: Opener::new(quic.clone()),
            window: ConnectionWindow::new(quic.clone()),
            quic,
            accepting: Box::pin(accepting),
            accepted: LastAccepted::default(),
            reading: FuturesUnordered::new(),
            seen: Seen::default(),
            critical: CRITICAL_STREAMS,
            patience,
            refusals: Refusals::default(),
            priorities: Priorities::default(),
            frame_bytes,
        }
    }

    pub(crate) fn last_accepted(&self) -> LastAccepted {
        self.accepted.clone()
    }

    pub(crate) fn refusals(&self) -> Refusals {
        self.refusals.clone()
    }

    pub(crate) fn window(&self) -> ConnectionWindow {
        self.window.clone()
    }

    pub(crate) fn send_order(&self) -> SendOrder {
        SendOrder::new(self.quic.clone(), self.priorities.clone())
    }
}

impl quic::Connection<Bytes> for Transport {
    type RecvStream = ControlStream;
    type OpenStreams = Opener;

    /// Passes only the control stream to h3: it must not read any other.
    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ControlStream, ConnectionErrorIncoming>> {
        let plain = &mut self.plain;
        while let Poll::Ready(stream) =
            <h3_quinn::Connection as quic::Connection<Bytes>>::poll_accept_recv(plain, cx)
        {
            self.reading.push(Box::pin(control::read(stream?, self.seen.clone())));
        }
        while let Poll::Ready(Some(found)) = self.reading.poll_next_unpin(cx) {
            match found {
                Ok(StreamKind::Nothing) => {}
                Ok(StreamKind::Control(stream, begun)) => {
                    let (most, quic) = (self.frame_bytes, self.quic.clone());
                    let priorities = self.priorities.clone();
                    let control = ControlStream::new(stream, begun, most, quic, priorities);
                    return Poll::Ready(Ok(control));
                }
                Err(violation) => return Poll::Ready(Err(end(&self.quic, violation))),
            }
        }
        Poll::Pending
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bidi, ConnectionErrorIncoming>> {
        let accepted = ready!(self.accepting.poll_next_unpin(cx));
        let accepted = accepted.unwrap_or(Err(ConnectionError::LocallyClosed));
        let (send, receive) = accepted.map_err(connection_error)?;
        let id = stream_id(&send)?;
        let answer = Rc::new(RefCell::new(send));
        self.accepted.put(answer.clone());
        self.priorities.accepted();
        let receive = Receive {
            stream: receive,
            id,
            gate: Gate::new(self.frame_bytes),
            answer: answer.clone(),
            quic: self.quic.clone(),
            patience: self.patience.clone(),
            refusals: self.refusals.clone(),
            reader: StreamReader::new(self.window.clone()),
            is_over: false,
        };
        Poll::Ready(Ok(Bidi { send: Send::new(answer, id), receive }))
    }

    fn opener(&self) -> Opener {
        Opener::new(self.quic.clone())
    }
}

impl quic::OpenStreams<Bytes> for Transport {
    type BidiStream = Bidi;
    type SendStream = Send;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bidi, StreamErrorIncoming>> {
        self.opener.poll_open_bidi(cx)
    }

    /// The first streams that h3 opens are the critical ones.
    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<Send, StreamErrorIncoming>> {
        let opened = ready!(self.opener.poll_open_send(cx))?;
        if let Some(left) = self.critical.checked_sub(1) {
            self.critical = left;
            let stopped = opened.stream.borrow().stopped();
            self.reading.push(Box::pin(async move {
                // Any other end is that of the connection.
                if let Ok(Some(_)) = stopped.await { Err(CLOSED) } else { Ok(StreamKind::Nothing) }
            }));
        }
        Poll::Ready(Ok(opened))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        close(&self.quic, code, reason);
    }
}

type Opening = Pin<Box<dyn Future<Output = Result<quinn::SendStream, ConnectionError>>>>;

/// Opens streams independently of the connection.
pub(crate) struct Opener {
    quic: quinn::Connection,
    opening: Option<Opening>,
}

impl Opener {
    fn new(quic: quinn::Connection) -> Self {
        Self { quic, opening: None }
    }
}

impl quic::OpenStreams<Bytes> for Opener {
    type BidiStream = Bidi;
    type SendStream = Send;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Bidi, StreamErrorIncoming>> {
        Poll::Ready(Err(StreamErrorIncoming::Unknown("servers open no request streams".into())))
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<Send, StreamErrorIncoming>> {
        let quic = &self.quic;
        let opening = self.opening.get_or_insert_with(|| {
            let quic = quic.clone();
            Box::pin(async move { quic.open_uni().await })
        });
        let opened = ready!(opening.as_mut().poll(cx));
        self.opening = None;
        let opened = opened.map_err(|error| StreamErrorIncoming::ConnectionErrorIncoming {
            connection_error: connection_error(error),
        })?;
        // An error means that the stream has ended.
        let _ = opened.set_priority(FIRST);
        let id = stream_id(&opened).map_err(|connection_error| {
            StreamErrorIncoming::ConnectionErrorIncoming { connection_error }
        })?;
        Poll::Ready(Ok(Send::new(Rc::new(RefCell::new(opened)), id)))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        close(&self.quic, code, reason);
    }
}

fn stream_id(stream: &quinn::SendStream) -> Result<StreamId, ConnectionErrorIncoming> {
    StreamId::try_from(u64::from(stream.id()))
        .map_err(|error| ConnectionErrorIncoming::InternalError(error.to_string()))
}

/// One request stream.
pub(crate) struct Bidi {
    send: Send,
    receive: Receive,
}

impl quic::BidiStream<Bytes> for Bidi {
    type SendStream = Send;
    type RecvStream = Receive;

    fn split(self) -> (Send, Receive) {
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
        quic::SendStream::send_id(&self.send)
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

/// The request's half of a request stream.
pub(crate) struct Receive {
    stream: quinn::RecvStream,
    id: StreamId,
    gate: Gate,
    /// The sending half, which is reset as well if the request is malformed.
    answer: Shared,
    quic: quinn::Connection,
    patience: Patience,
    refusals: Refusals,
    reader: StreamReader,
    /// Nothing more is to come, or to be taken.
    is_over: bool,
}

impl Receive {
    fn end(&mut self) {
        self.is_over = true;
        self.reader.end();
    }

    fn broken(&mut self, violation: Violation) -> StreamErrorIncoming {
        self.end();
        if violation != Violation::Message {
            let connection_error = end(&self.quic, violation);
            return StreamErrorIncoming::ConnectionErrorIncoming { connection_error };
        }
        let code = Code::H3_MESSAGE_ERROR;
        response::reset(&self.answer, code);
        quic::RecvStream::stop_sending(self, code.value());
        self.patience.strain(&self.quic);
        StreamErrorIncoming::StreamTerminated { error_code: code.value() }
    }
}

impl quic::RecvStream for Receive {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        loop {
            if let Some(bytes) = self.gate.next() {
                self.reader.passed();
                return Poll::Ready(Ok(Some(bytes)));
            }
            if self.is_over {
                return Poll::Ready(Ok(None));
            }
            // The stream stores the waker, not this future.
            let read = pin!(self.stream.read_chunk(usize::MAX, true)).poll(cx);
            let Poll::Ready(read) = read else {
                self.reader.waits(cx);
                return Poll::Pending;
            };
            let judged = match read {
                Ok(Some(chunk)) => {
                    self.reader.read(chunk.bytes.len());
                    let judged = self.gate.take(&chunk.bytes);
                    if let Some(refused) = self.gate.refused() {
                        self.refusals.put(self.id, refused);
                    }
                    judged
                }
                Ok(None) => {
                    self.end();
                    self.gate.end()
                }
                Err(error) => {
                    self.end();
                    if matches!(error, ReadError::Reset(_)) {
                        self.patience.strain(&self.quic);
                    }
                    return Poll::Ready(Err(read_error(error)));
                }
            };
            if let Err(violation) = judged {
                return Poll::Ready(Err(self.broken(violation)));
            }
        }
    }

    fn stop_sending(&mut self, code: u64) {
        self.end();
        // An error means that the stream has ended already.
        let _ = self.stream.stop(var_int(code));
    }

    fn recv_id(&self) -> StreamId {
        self.id
    }
}

impl Drop for Receive {
    /// quinn would stop the client with a code that HTTP/3 does not define.
    fn drop(&mut self) {
        if !self.is_over {
            quic::RecvStream::stop_sending(self, Code::H3_NO_ERROR.value());
        }
    }
}
