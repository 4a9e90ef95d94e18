//! Serves HTTP/1.1 and HTTP/2 with hyper, over TLS or plain TCP.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt;
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::activity::Activity;
use super::batched_tls::{BatchedTls, Flusher};
use super::guard::{Guard, GuardHandle, GuardLimits, Readable};
use super::h2_gate::{GateLinks, H2Gate, Interim, Refusals};
use super::outgoing::{InProgress, Outgoing};
use super::send_order::SendOrder;
use super::stall::Stall;
use super::stream;
use super::stream_slots::StreamSlots;
use super::unread;
use super::watch::{Clock, Ended, Graceful, Watched};
use crate::http::Body;
use crate::http::early_hints::{self, EarlyHints};
use crate::http::request::Peer;
use crate::http::response::NeedsHttp1;
use crate::limits;
use crate::metrics::Protocol;
use crate::server::bad_head::{Refused, RequestSummary};
use crate::server::connection::{Connection, Settings};
use crate::server::dispatch::{ConnectionContext, Counted, dispatch, log_refused};
use crate::server::tunnel::switch::{Granted, Slot, Switching};

/// Bytes up to which hyper reads ahead on an HTTP/1.1 connection.
const READ_AHEAD: usize = 64 * 1024;

/// Serves HTTP/1.0 and 1.1 until the connection ends.
pub(crate) async fn serve_http1<T>(
    connection: Connection,
    peer: Rc<Peer>,
    io: T,
    flusher: Option<Flusher>,
) where
    T: AsyncRead + AsyncWrite + Readable + Unpin + 'static,
{
    let Some(Settings { timeouts, header_bytes }) = connection.settings() else { return };
    let _open = connection.speaks(Protocol::Http1);
    let bounds = GuardLimits {
        header_bytes,
        header_count: limits::HEADER_COUNT,
        uri_bytes: limits::URI_BYTES,
    };
    let mut guard = Guard::new(io, bounds);
    let activity = Activity::new(Some((guard.handle(), peer.clone())));
    let context = ConnectionContext::new(&connection, peer, timeouts);
    let granted = Slot::default();
    let mut clock = Clock::new(activity.clone(), timeouts, flusher, &connection);
    let mut builder = http1::Builder::new();
    // The guard has checked and limited the head already; hyper's own limit must not be lower.
    builder.max_headers(limits::HEADER_COUNT + 1).max_buf_size(READ_AHEAD);
    // hyper would read ahead to detect a disconnect; the guard detects it without a buffer.
    builder.half_close(true);
    let (ended, served) = loop {
        let parting = &connection.worker.parting;
        let slot = Some(granted.clone());
        let switching = Switching::new(slot, &activity, parting, timeouts.write_idle);
        let protocol = ProtocolState::Http1(guard.handle());
        let service = service(context.clone(), activity.clone(), switching, protocol);
        let served = builder.serve_connection(TokioIo::new(guard), service);
        let mut watched = Watched::new(served, clock);
        let ended = (&mut watched).await;
        let (served, kept) = watched.into_parts();
        clock = kept;
        let Ended::AtRest = ended else { break (ended, served) };
        // hyper's buffers are most of the memory of an idle connection.
        let parts = served.into_parts();
        guard = parts.io.into_inner();
        guard.put_back(&parts.read_buf);
        if !clock.rest(|cx| guard.poll_readable(cx)).await {
            // A final message that the socket does not accept at once is not worth a slot.
            let _ = guard.shutdown().now_or_never();
            return;
        }
    };
    let is_stuck = !matches!(ended, Ended::Done(Ok(_))) && clock.is_stuck();
    let parts = served.into_parts();
    let guard = parts.io.into_inner();
    if let Some(head) = guard.unfinished() {
        let Refused { head, status } =
            RequestSummary::by_http1(head).refused(StatusCode::REQUEST_TIMEOUT);
        log_refused(&context, head, status);
    }
    if is_stuck {
        guard.reset_at_close();
    } else if let Ended::Done(Err(error)) = ended {
        log::debug!("HTTP/1.1 with {}: {error}", connection.remote);
    } else if let Some(Granted { wire, outgoing }) = granted.take() {
        let run = wire.run(guard, parts.read_buf, outgoing, clock.into_flusher());
        if let Err(error) = run.await {
            log::debug!("tunnel with {}: {error}", connection.remote);
        }
    }
}

/// Serves HTTP/2 until the connection ends.
pub(crate) async fn serve_http2(
    connection: Connection,
    peer: Rc<Peer>,
    io: BatchedTls,
    flusher: Flusher,
) {
    let Some(Settings { timeouts, header_bytes }) = connection.settings() else { return };
    let _open = connection.speaks(Protocol::Http2);
    let activity = Activity::new(None);
    let context = ConnectionContext::new(&connection, peer, timeouts);
    let parting = &connection.worker.parting;
    let switching = Switching::new(None, &activity, parting, timeouts.write_idle);
    let order = SendOrder::new();
    flusher.report_to(order.clone());
    let links = GateLinks { refusals: Refusals::default(), interim: Interim::default(), order };
    let streams = Streams { turns: StreamSlots::new(limits::STREAMS), links: links.clone() };
    // What is too much is for dispatch to say, by the same rules for all protocols.
    let head = header_bytes + limits::H2_HEADER_EXCESS;
    let refused = {
        let context = context.clone();
        move |head, status| log_refused(&context, head, status)
    };
    let io = H2Gate::new(io, head, links, refused);
    let service = service(context, activity.clone(), switching, ProtocolState::Http2(streams));
    let served = http2::Builder::new(Local { write_idle: timeouts.write_idle })
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::STREAMS + limits::TUNNELS)
        .initial_stream_window_size(limits::STREAM_WINDOW)
        .initial_connection_window_size(limits::H2_CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(limits::H2_PENDING_RESETS)
        .max_local_error_reset_streams(limits::H2_LOCAL_RESETS)
        .max_send_buf_size(limits::SEND_BUFFER)
        .enable_connect_protocol()
        .serve_connection(TokioIo::new(io), service);
    let clock = Clock::new(activity, timeouts, Some(flusher), &connection);
    let mut watched = Watched::new(served, clock);
    let ended = (&mut watched).await;
    if let Ended::Done(Err(error)) = &ended {
        log::debug!("HTTP/2 with {}: {error}", connection.remote);
    }
    let clock = watched.into_clock();
    if !matches!(ended, Ended::Done(Ok(()))) && clock.is_stuck() {
        clock.into_flusher().iter().for_each(Flusher::reset_at_close);
    }
}

/// The state that the requests of one HTTP/2 connection share.
struct Streams {
    turns: Rc<StreamSlots>,
    links: GateLinks,
}

/// What a protocol has of its own.
enum ProtocolState {
    Http1(GuardHandle),
    Http2(Streams),
}

impl ProtocolState {
    fn streams(&self) -> Option<&Streams> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(streams) => Some(streams),
        }
    }

    /// The way of early hints to the client, if this request may get them.
    fn early_hints(
        &self,
        request: &mut Request<Body>,
    ) -> Option<Box<EarlyHints<crate::http::Request>>> {
        match self {
            Self::Http2(streams) => streams.links.interim.take(request),
            Self::Http1(guard) => {
                let knows = request.version() == Version::HTTP_11;
                let wanted = knows && early_hints::are_for(request.headers());
                wanted.then(|| Box::new(EarlyHints::new(Rc::new(guard.clone()))))
            }
        }
    }
}

fn service(
    context: Rc<ConnectionContext>,
    activity: Activity,
    switching: Switching,
    protocol: ProtocolState,
) -> impl HttpService<
    Incoming,
    ResBody = Outgoing,
    Error = h2::Error,
    Future = impl Future<Output = Result<Response<Outgoing>, h2::Error>> + 'static,
> {
    service_fn(move |request: Request<Incoming>| {
        let mut verdict = activity.begin();
        let (context, running) = (context.clone(), Running(Some(activity.clone())));
        let turns = protocol.streams().map(|streams| streams.turns.clone());
        let mut request = request.map(Into::into);
        if verdict.is_some() {
            RequestSummary::by_http1(&activity.replaced()).put_into(&mut request);
        } else if let Some(streams) = protocol.streams() {
            verdict = streams.links.refusals.take(&mut request);
        }
        let streams = protocol.streams().filter(|_| verdict.is_none());
        let ordered = streams.map(|streams| streams.links.order.enter(&request));
        let (mut switch, mut upgrade) = (None, None);
        if verdict.is_none() && may_leave(&request) {
            match switching.offer(&mut request) {
                Ok(Some((how, offered))) => {
                    (switch, upgrade) = (Some(Box::new(how)), Some(offered));
                }
                Ok(None) => {}
                Err(refused) => verdict = Some(refused),
            }
        }
        let early_hints = protocol.early_hints(&mut request);
        let mut request = context.receive(request);
        (request.upgrade, request.early_hints) = (upgrade, early_hints);
        async move {
            // Only HTTP/2 has a stall to watch, and a stream that would be reset.
            if let Some(stall) = Stall::current().filter(|_| !request.body.is_end_stream()) {
                request.body = unread::hold(stall, std::mem::take(&mut request.body));
            }
            let turn = match &turns {
                Some(turns) => Some(turns.take().await),
                None => None,
            };
            let deadline = context.response_deadline();
            let Counted { mut response, tally } = dispatch(&context, request, verdict).await;
            if running.is_last() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            if let Some(switch) = switch {
                response = switch.settle(response);
                ordered.iter().for_each(|ordered| ordered.scheduled.become_tunnel());
            }
            if response.extensions().get::<NeedsHttp1>().is_some() {
                // The end of the stream, which only HTTP/2 reports.
                return Err(h2::Reason::HTTP_1_1_REQUIRED.into());
            }
            ordered.iter().for_each(|ordered| ordered.scheduled.respond(response.headers()));
            let activity = running.hand_over();
            let held = InProgress { activity, tally, order: ordered, _turn: turn };
            Ok(response.map(|body| Outgoing::new(body, held, deadline)))
        }
    })
}

/// Whether a request may ask for another protocol.
fn may_leave(request: &Request<Body>) -> bool {
    request.method() == Method::CONNECT || request.headers().contains_key(UPGRADE)
}

/// A request without a response yet: dropped if the client disconnects.
struct Running(Option<Activity>);

impl Running {
    fn is_last(&self) -> bool {
        self.0.as_ref().is_some_and(Activity::is_last)
    }

    /// From here on, the response's body reports the end.
    fn hand_over(mut self) -> Activity {
        self.0.take().unwrap_or_else(|| Activity::new(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(activity) = &self.0 {
            activity.end(Instant::now());
        }
    }
}

impl<T, S> Graceful for http1::Connection<TokioIo<T>, S>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    S: HttpService<Incoming, ResBody = Outgoing, Error = h2::Error>,
{
    const ENDS_WITH_A_RESPONSE: bool = true;

    fn graceful_shutdown(self: Pin<&mut Self>) {
        Self::graceful_shutdown(self);
    }
}

impl<T, S> Graceful for http2::Connection<TokioIo<T>, S, Local>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    S: HttpService<Incoming, ResBody = Outgoing, Error = h2::Error>,
    S::Future: 'static,
{
    const ENDS_WITH_A_RESPONSE: bool = false;

    fn graceful_shutdown(self: Pin<&mut Self>) {
        Self::graceful_shutdown(self);
    }
}

/// Spawns the task of an HTTP/2 stream on the worker's own thread.
#[derive(Clone, Copy)]
struct Local {
    write_idle: Option<Duration>,
}

impl<F> hyper::rt::Executor<F> for Local
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        // Boxed, as tokio moves a future several times.
        tokio::task::spawn_local(stream::watched(Box::pin(future), self.write_idle));
    }
}
