//! HTTP/2 to upstreams: few connections in each worker, each with many streams.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error as StdError;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, timeout};

use crate::directives::proxy::host::error::ProxyError;
use crate::http::{Body, BodyError};
use crate::limits::{
    RESPONSE_HEAD_BYTES, UPSTREAM_HTTP1, UPSTREAM_IDLE, UPSTREAM_PING, UPSTREAM_PONG,
    UPSTREAM_STREAM_WINDOW, UPSTREAM_STREAMS,
};
use crate::upstream::{Io, Patience};

thread_local! {
    static KNOWN: RefCell<HashMap<u64, Known>> = RefCell::default();
}

/// What this worker knows of an upstream.
#[derive(Default)]
struct Known {
    clients: Vec<Client>,
    /// When it last chose HTTP/1.1, or asked for it.
    chose_http1: Option<Instant>,
    /// Held while somebody connects, so that others wait for the connection to come.
    dialing: Rc<tokio::sync::Mutex<()>>,
}

/// A connection with room for another stream.
#[derive(Clone)]
pub(crate) struct Client {
    sender: SendRequest<RequestBody>,
    /// One holder for each stream, and one for the connection.
    streams: Rc<()>,
}

impl Client {
    fn has_room(&self) -> bool {
        !self.sender.is_closed() && Rc::strong_count(&self.streams) <= UPSTREAM_STREAMS
    }
}

/// An open connection to an upstream, if there is one.
pub(crate) fn take(upstream: u64) -> Option<Client> {
    KNOWN.with_borrow_mut(|known| {
        let known = known.get_mut(&upstream)?;
        known.clients.retain(|client| !client.sender.is_closed());
        known.clients.iter().find(|client| client.has_room()).cloned()
    })
}

/// What to hold while connecting to an upstream that may speak HTTP/2; none where it is known
/// to prefer HTTP/1.1.
pub(crate) fn dialing(upstream: u64) -> Option<Rc<tokio::sync::Mutex<()>>> {
    KNOWN.with_borrow_mut(|known| {
        let known = known.entry(upstream).or_default();
        let recently = known.chose_http1.is_some_and(|at| at.elapsed() < UPSTREAM_HTTP1);
        (!recently).then(|| known.dialing.clone())
    })
}

/// Notes that an upstream wants to speak HTTP/1.1. What is open ends with its last request.
pub(crate) fn chose_http1(upstream: u64) {
    KNOWN.with_borrow_mut(|known| {
        let known = known.entry(upstream).or_default();
        known.chose_http1 = Some(Instant::now());
        known.clients.clear();
    });
}

/// Starts HTTP/2 on a connection, which is used from now on by all requests to the upstream.
pub(crate) async fn start(upstream: u64, io: Io) -> Result<Client, ProxyError> {
    let started = Builder::new(Local)
        .timer(TokioTimer::new())
        .initial_stream_window_size(UPSTREAM_STREAM_WINDOW)
        // A client that reads slowly holds its own stream back, and no other one.
        .initial_connection_window_size(UPSTREAM_STREAM_WINDOW * UPSTREAM_STREAMS as u32)
        .max_header_list_size(RESPONSE_HEAD_BYTES as u32)
        .keep_alive_interval(UPSTREAM_PING)
        .keep_alive_timeout(UPSTREAM_PONG)
        .handshake(TokioIo::new(io))
        .await;
    let (sender, connection) = started.map_err(ProxyError::Http2)?;
    let client = Client { sender, streams: Rc::new(()) };
    KNOWN.with_borrow_mut(|known| {
        let known = known.entry(upstream).or_default();
        known.chose_http1 = None;
        known.clients.push(client.clone());
    });
    let streams = Rc::downgrade(&client.streams);
    tokio::task::spawn_local(async move {
        let mut connection = pin!(connection);
        while timeout(UPSTREAM_IDLE, &mut connection).await.is_err() {
            // The list holds the last one.
            if streams.strong_count() <= 1 {
                forget(upstream, streams.as_ptr());
                let _ = timeout(UPSTREAM_IDLE, connection).await;
                return;
            }
        }
    });
    Ok(client)
}

/// Takes a connection from the list; without a sender it ends.
fn forget(upstream: u64, streams: *const ()) {
    KNOWN.with_borrow_mut(|known| {
        if let Some(known) = known.get_mut(&upstream) {
            known.clients.retain(|client| !std::ptr::eq(Rc::as_ptr(&client.streams), streams));
        }
    });
}

/// A request that got no response.
pub(crate) struct Unanswered {
    pub(crate) error: ProxyError,
    /// The request's body, where nothing of it was sent.
    pub(crate) body: Option<Body>,
}

impl Client {
    /// Sends the request and waits for the head of the answer, at most for `first_byte` after
    /// the last byte of the request's body; within the answer `idle` is the limit.
    pub(crate) async fn exchange(
        mut self,
        message: http::Request<Body>,
        first_byte: Duration,
        idle: Duration,
    ) -> Result<http::Response<ResponseBody>, Unanswered> {
        let progress = Rc::new(Progress::default());
        let message = message.map(|body| RequestBody { body, progress: progress.clone() });
        let mut sent = pin!(self.sender.try_send_request(message));
        let mut patience = Patience::default();
        let answer = std::future::poll_fn(|cx| {
            use std::future::Future;
            if let Poll::Ready(answer) = sent.as_mut().poll(cx) {
                return Poll::Ready(Some(answer));
            }
            // While the client's body still moves, the upstream cannot be late.
            if progress.moved.take() {
                patience.moved();
            }
            patience.poll(first_byte, cx).map(|()| None)
        });
        match answer.await {
            Some(Ok(response)) => {
                let streams = self.streams.clone();
                let patience = Patience::default();
                Ok(response.map(|body| ResponseBody {
                    body,
                    progress,
                    patience,
                    silence: idle,
                    _stream: streams,
                }))
            }
            Some(Err(mut failed)) => {
                let body = failed.take_message().map(|message| message.into_body().body);
                Err(failure(failed.into_error(), body, progress.failed.take()))
            }
            None => Err(Unanswered { error: ProxyError::FirstByte, body: None }),
        }
    }
}

fn failure(error: hyper::Error, body: Option<Body>, by_client: Option<BodyError>) -> Unanswered {
    if let Some(by_client) = by_client {
        return Unanswered { error: ProxyError::ClientBody(by_client), body: None };
    }
    let gone_away = h2_error(&error).is_some_and(|error| error.is_go_away() && error.is_remote());
    let reason = h2_error(&error).and_then(h2::Error::reason);
    let is_refused = [h2::Reason::REFUSED_STREAM, h2::Reason::HTTP_1_1_REQUIRED]
        .iter()
        .any(|refusal| reason == Some(*refusal));
    let error = match body.is_some() || gone_away || is_refused {
        true => ProxyError::Refused(error),
        false => ProxyError::Http2(error),
    };
    Unanswered { error, body }
}

/// Whether the upstream asks for HTTP/1.1.
pub(crate) fn asks_for_http1(error: &ProxyError) -> bool {
    let ProxyError::Refused(error) = error else { return false };
    h2_error(error).and_then(h2::Error::reason) == Some(h2::Reason::HTTP_1_1_REQUIRED)
}

fn h2_error(error: &hyper::Error) -> Option<&h2::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// What becomes of a request's body.
#[derive(Default)]
struct Progress {
    /// Something of it moved since this was last asked.
    moved: Cell<bool>,
    /// The client failed to send it.
    failed: Cell<Option<BodyError>>,
}

/// A request's body on its way to hyper.
pub(crate) struct RequestBody {
    body: Body,
    progress: Rc<Progress>,
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.progress.moved.set(true);
        Poll::Ready(match frame {
            Some(Err(error)) => {
                self.progress.failed.set(Some(error));
                Some(Err("the client's body broke off".into()))
            }
            other => other,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, which holds its place on the connection.
pub(crate) struct ResponseBody {
    body: Incoming,
    /// What becomes of the request's body beside it.
    progress: Rc<Progress>,
    patience: Patience,
    silence: Duration,
    _stream: Rc<()>,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(frame)) => {
                this.patience.moved();
                Poll::Ready(Some(frame.map_err(|error| ProxyError::Http2(error).into())))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                // While the client's body still moves, the upstream listens.
                if this.progress.moved.take() {
                    this.patience.moved();
                }
                let late = this.patience.poll(this.silence, cx);
                late.map(|()| Some(Err(ProxyError::BodyIdle.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Spawns what drives a stream onto the worker's own thread.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}
