//! HTTP/2 connections to upstreams: few per worker, each with many streams.

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

/// The state of an upstream in this worker.
#[derive(Default)]
struct Known {
    clients: Vec<Client>,
    /// When it last chose or required HTTP/1.1.
    chose_http1: Option<Instant>,
    /// Locked while a request connects, so that others wait for that connection.
    dialing: Rc<tokio::sync::Mutex<()>>,
}

/// A handle of a connection.
#[derive(Clone)]
pub(crate) struct Client {
    sender: SendRequest<RequestBody>,
    /// One reference per stream, and one for the connection.
    streams: Rc<()>,
}

impl Client {
    fn has_room(&self) -> bool {
        !self.sender.is_closed() && Rc::strong_count(&self.streams) <= UPSTREAM_STREAMS
    }
}

/// An open connection with room for another stream.
pub(crate) fn take(upstream: u64) -> Option<Client> {
    KNOWN.with_borrow_mut(|known| {
        let known = known.get_mut(&upstream)?;
        known.clients.retain(|client| !client.sender.is_closed());
        known.clients.iter().find(|client| client.has_room()).cloned()
    })
}

/// The lock for connecting to an upstream; `None` if it recently chose HTTP/1.1.
pub(crate) fn dialing(upstream: u64) -> Option<Rc<tokio::sync::Mutex<()>>> {
    KNOWN.with_borrow_mut(|known| {
        let known = known.entry(upstream).or_default();
        let recently = known.chose_http1.is_some_and(|at| at.elapsed() < UPSTREAM_HTTP1);
        (!recently).then(|| known.dialing.clone())
    })
}

/// Records that an upstream chose HTTP/1.1. Open connections end with their last request.
pub(crate) fn chose_http1(upstream: u64) {
    KNOWN.with_borrow_mut(|known| {
        let known = known.entry(upstream).or_default();
        known.chose_http1 = Some(Instant::now());
        known.clients.clear();
    });
}

/// Starts HTTP/2 on a connection and shares it with all requests to the upstream.
pub(crate) async fn start(upstream: u64, io: Io) -> Result<Client, ProxyError> {
    let started = Builder::new(Local)
        .timer(TokioTimer::new())
        .initial_stream_window_size(UPSTREAM_STREAM_WINDOW)
        // Large enough that a slow client blocks only its own stream.
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
            // Only the list refers to it.
            if streams.strong_count() <= 1 {
                forget(upstream, streams.as_ptr());
                let _ = timeout(UPSTREAM_IDLE, connection).await;
                return;
            }
        }
    });
    Ok(client)
}

/// Removes a connection from the list; without a sender it closes.
fn forget(upstream: u64, streams: *const ()) {
    KNOWN.with_borrow_mut(|known| {
        if let Some(known) = known.get_mut(&upstream) {
            known.clients.retain(|client| !std::ptr::eq(Rc::as_ptr(&client.streams), streams));
        }
    });
}

/// A request without a response.
pub(crate) struct Unanswered {
    pub(crate) error: ProxyError,
    /// The request body, if nothing of it was sent.
    pub(crate) body: Option<Body>,
}

impl Client {
    /// Sends the request and waits for the head of the response, for at most `first_byte` after
    /// the last progress of the request body; `idle` is the timeout within the response.
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

/// Whether the upstream requires HTTP/1.1.
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

/// The progress of a request body.
#[derive(Default)]
struct Progress {
    /// It made progress since the last check.
    moved: Cell<bool>,
    /// The error of the client's side.
    failed: Cell<Option<BodyError>>,
}

/// A request body for hyper.
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
                Some(Err("the request body broke off".into()))
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

/// A response body, which holds its place on the connection.
pub(crate) struct ResponseBody {
    body: Incoming,
    /// The progress of the request body.
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
                // The timer restarts while the request body makes progress.
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

/// Spawns hyper's tasks on the worker's own thread.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}
