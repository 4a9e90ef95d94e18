//! Serves one HTTP/3 request: takes it from h3, passes it to the dispatcher, and sends the
//! response.

use std::future::pending;
use std::rc::Rc;
use std::task::{Context, Waker};

use bytes::{Buf as _, Bytes, BytesMut};
use h3::error::Code;
use http::{StatusCode, header};
use tokio::time::{Instant, timeout_at};

use super::body::{H3Body, RequestReader, malformed};
use super::interim::Interim;
use super::refusals::Refusals;
use super::response::{self, Sending, Shared, answer, delivered};
use super::section::{self, WEBSOCKET};
use super::send_order::{Ordered, SendOrder};
use super::transport::Transport;
use super::tunnels::Tunnels;
use crate::http::early_hints::{self, EarlyHints, InterimWriter};
use crate::http::response::NeedsHttp1;
use crate::http::{Body, Upgrade};
use crate::limits::{MINIMUM_RATE, QUIC_LINGER, QUIC_LINGER_SILENCE};
use crate::server::bad_head::Refused;
use crate::server::dispatch::{ConnectionContext, Counted, dispatch, log_refused};
use crate::server::measure::watch_quic;
use crate::server::tunnel::switch::{extended_answer, extended_connect};

type Resolver = h3::server::RequestResolver<Transport, Bytes>;

/// Bytes of a response above which the delivery to the client is checked.
const LARGE: u64 = 64 * 1024;

/// What the requests of a connection share.
pub(crate) struct Common {
    pub(crate) context: Rc<ConnectionContext>,
    pub(crate) tunnels: Rc<Tunnels>,
    pub(crate) refusals: Refusals,
    pub(crate) order: SendOrder,
}

pub(crate) async fn serve_stream(common: &Common, resolver: Resolver, stream: &Shared) {
    let Common { context, tunnels, refusals, order } = common;
    let head = resolver.resolve_request();
    let in_time = match context.header_deadline() {
        Some(at) => timeout_at(at, head).await,
        None => Ok(head.await),
    };
    let Ok(resolved) = in_time else {
        log::debug!("HTTP/3 request: the head timed out");
        // Dropping the receiving half has stopped the client.
        response::reset(stream, Code::H3_REQUEST_INCOMPLETE);
        let Refused { head, status } = section::unknown(StatusCode::REQUEST_TIMEOUT);
        return log_refused(context, head, status);
    };
    let refused = refusals.take(stream.borrow().id());
    let (request, halves) = match resolved {
        Ok(resolved) => resolved,
        Err(error) => {
            log::debug!("HTTP/3 request: {error}");
            if let Some(refused) = refused {
                log_refused(context, refused.head, refused.status);
            }
            return;
        }
    };
    // h3 counts the request as in progress until its half is dropped.
    let (_counted, mut receive) = halves.split();
    if let Some(refused) = refused {
        let Refused { head, status } = *refused;
        let body = H3Body::new(receive, stream.clone(), None);
        return serve_request(context, stream, head.map(|()| body), Some(status), None).await;
    }
    if !is_well_formed(&request) {
        malformed(stream, &mut receive);
        return log_refused(context, request, StatusCode::BAD_REQUEST);
    }
    let ordered = order.enter(stream.borrow().id(), request.headers());
    if request.extensions().get::<h3::ext::Protocol>().is_some() {
        let body = H3Body::new(receive, stream.clone(), None);
        return Box::pin(serve_tunnel(context, request, body, (stream, tunnels), ordered)).await;
    }
    let body = H3Body::new(receive, stream.clone(), content_length(&request));
    serve_request(context, stream, request.map(|()| body), None, Some(ordered)).await;
}

/// Answers a request by its site, or by the verdict on its head.
async fn serve_request(
    context: &Rc<ConnectionContext>,
    stream: &Shared,
    mut request: http::Request<H3Body>,
    verdict: Option<StatusCode>,
    order: Option<Ordered>,
) {
    let body = request.body_mut();
    // Takes the content that arrived with the head; later readers register their own waker.
    if body.peek(&mut Context::from_waker(Waker::noop())).is_err() {
        return response::reset(stream, Code::H3_MESSAGE_ERROR);
    }
    let unread = body.unread();
    let mut request = context.receive(request.map(Body::new));
    let interim = early_hints::are_for(&request.head.headers).then(|| Interim::new(stream));
    let writer = interim.clone().map(|interim| interim as Rc<dyn InterimWriter>);
    request.early_hints = writer.map(|writer| Box::new(EarlyHints::new(writer)));
    let (deadline, read_deadline) = (context.response_deadline(), context.read_deadline());
    let answer = dispatch(context, request, verdict).await;
    unread.iter().for_each(|unread| unread.answer());
    let before = interim.map(|interim| interim.unsent()).unwrap_or_default();
    send(context, stream, answer, How { before, deadline, order: order.as_ref() }).await;
    drop(order);
    if let Some(rest) = unread.and_then(|unread| unread.take()) {
        linger(rest, read_deadline).await;
    }
}

/// The checks that the gate has not made (RFC 9114 section 4.3.1).
fn is_well_formed(request: &http::Request<()>) -> bool {
    let name = request.uri().authority();
    name.is_none_or(|authority| !authority.as_str().contains('@'))
}

/// Reads the rest of the request after the response. Chromium discards a complete response if it is
/// told to stop within its content, so it is told only if it is silent, below the minimum rate of
/// uploads, or at the end of `timeouts read`.
async fn linger(mut rest: RequestReader, deadline: Option<Instant>) {
    let (mut window, mut moved) = (Instant::now() + QUIC_LINGER, 0);
    loop {
        let silence = Instant::now() + QUIC_LINGER_SILENCE;
        let until = deadline.map_or(silence, |at| at.min(silence));
        match timeout_at(until, rest.recv_data()).await {
            Ok(Ok(Some(data))) => moved += data.remaining() as u64,
            Ok(Ok(None) | Err(_)) => return,
            Err(_) => break,
        }
        let now = Instant::now();
        if deadline.is_some_and(|at| at <= now) {
            break;
        }
        if window <= now {
            if moved < MINIMUM_RATE * QUIC_LINGER.as_secs() {
                break;
            }
            (window, moved) = (now + QUIC_LINGER, 0);
        }
    }
    rest.stop_sending(Code::H3_NO_ERROR);
}

/// A request for another protocol on its stream (RFC 9220).
async fn serve_tunnel(
    context: &Rc<ConnectionContext>,
    mut request: http::Request<()>,
    body: H3Body,
    (stream, tunnels): (&Shared, &Rc<Tunnels>),
    ordered: Ordered,
) {
    let is_websocket = request.extensions().get() == Some(&WEBSOCKET);
    let name = if is_websocket { "websocket" } else { "" };
    let (protocol, verdict) = match extended_connect(&mut request, name) {
        Ok(protocol) => (Some(protocol), None),
        Err(refused) => (None, Some(refused)),
    };
    let mut request = context.receive(request.map(|()| Body::empty()));
    let mut tunnel = None;
    if let Some(protocol) = protocol {
        let opened = context.tunnel(&protocol);
        let incoming = opened.inward(Body::new(body));
        request.upgrade = Some(Box::new(Upgrade { protocol, incoming }));
        tunnel = Some(opened);
    }
    let Counted { response, tally } = dispatch(context, request, verdict).await;
    let (response, granted) = extended_answer(response);
    let _open = granted.then(|| tunnels.open());
    let response = match tunnel.filter(|_| granted) {
        Some(tunnel) => response.map(|body| tunnel.outward(body)),
        None => response,
    };
    ordered.scheduled.become_tunnel();
    let how = How { before: BytesMut::new(), deadline: None, order: Some(&ordered) };
    send(context, stream, Counted { response, tally }, how).await;
}

/// How a response is sent.
struct How<'a> {
    /// Interim responses that have not been sent.
    before: BytesMut,
    deadline: Option<Instant>,
    order: Option<&'a Ordered>,
}

async fn send(context: &ConnectionContext, stream: &Shared, counted: Counted, how: How<'_>) {
    let Counted { response, tally } = counted;
    let How { before, deadline, order } = how;
    order.iter().for_each(|order| order.scheduled.respond(response.headers()));
    if response.extensions().get::<NeedsHttp1>().is_some() {
        return response::reset(stream, Code::H3_VERSION_FALLBACK);
    }
    let answered = async {
        let patience = context.write_idle();
        let answered = answer(stream, response, Sending { before, patience, tally: &tally, order });
        match deadline {
            Some(at) => timeout_at(at, answered).await?,
            None => answered.await,
        }
    };
    let measured = tally.measured_answer();
    let sent = async {
        match answered.await {
            Ok(length) => {
                tally.complete();
                measured.iter().for_each(|one| one.taken());
                // Much of the response may still be unsent, and the connection must not close
                // before it is delivered.
                if (length > LARGE || measured.is_some()) && delivered(stream).await {
                    measured.iter().for_each(|one| one.last(std::time::Instant::now()));
                }
            }
            Err(error) => {
                // Dropping the stream would finish it, and an incomplete body would look complete.
                log::debug!("HTTP/3 response: {error}");
                response::reset(stream, Code::H3_INTERNAL_ERROR);
            }
        }
    };
    let watch = measured.as_ref().map(|one| Box::pin(watch_quic(one)));
    tokio::select! {
        biased;
        () = sent => {}
        () = async { match watch { Some(watch) => watch.await, None => pending().await } } => {}
    }
}

/// The gate has passed at most one Content-Length, which is valid.
fn content_length(request: &http::Request<()>) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
