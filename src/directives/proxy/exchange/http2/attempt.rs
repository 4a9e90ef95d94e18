//! An attempt at an upstream that may support HTTP/2.

use http::header::{CONNECTION, EXPECT, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{Response, Uri, Version};
use http_body_util::BodyExt;
use hyper::body::Frame;

use super::connections::{self, Client, ResponseBody, Unanswered};
use crate::directives::proxy::exchange::affinity::{self, Affinity};
use crate::directives::proxy::exchange::connect::{Dial, connect};
use crate::directives::proxy::exchange::http1::connection::Conn;
use crate::directives::proxy::exchange::http1::pool;
use crate::directives::proxy::exchange::outcome::{Attempt, Outcome, is_idempotent};
use crate::directives::proxy::exchange::request::{Message, outgoing};
use crate::directives::proxy::exchange::response::clean;
use crate::directives::proxy::exchange::settings::Settings;
use crate::directives::proxy::host::error::{Fate, ProxyError};
use crate::directives::proxy::host::upstream::{Slot, Target, Upstream, Versions};
use crate::http::{Body, hop};
use crate::metrics::WorkerMetrics;

/// The result of an attempt over HTTP/2.
pub(crate) enum Ended {
    Here(Outcome),
    /// The request must be sent over HTTP/1.1, with the place that it has taken.
    UseHttp1(Slot),
}

/// Whether a request is retried at the same upstream: if the connection was reused, and once if
/// the upstream has not processed it.
fn may_repeat_here(fate: Fate, reused: bool, refused: bool) -> bool {
    match fate {
        Fate::Final => false,
        Fate::Idempotent => reused,
        Fate::Unprocessed => reused || !refused,
    }
}

/// Sends the request over HTTP/2 and waits for the head of the response.
pub(crate) async fn attempt(
    this: &mut Attempt<'_>,
    slot: Slot,
    affinity: Option<Affinity>,
) -> Ended {
    let Attempt { settings, host, req, ref mut payload } = *this;
    let failed = |error| Ended::Here(Outcome::failed(error, false));
    if host.versions == Versions::Either && (affinity.is_some() || req.upgrade.is_some()) {
        return Ended::UseHttp1(slot);
    }
    if req.upgrade.is_some() {
        return failed(ProxyError::NoUpgrade);
    }
    let repeatable = is_idempotent(&req.head.method) && payload.repeatable();
    // An upstream may refuse the first requests of a new connection, before its
    // SETTINGS_MAX_CONCURRENT_STREAMS has arrived.
    let (mut reused, mut refused) = (true, false);
    loop {
        let client = match take(host) {
            Some(client) => client,
            None => match open(settings, host).await {
                Ok(Opened::New(client)) => {
                    reused = false;
                    client
                }
                Ok(Opened::Shared(client)) => {
                    reused = true;
                    client
                }
                Ok(Opened::Http1) => return Ended::UseHttp1(slot),
                Err(error) => {
                    return Ended::Here(Outcome::Failed { error, fate: Fate::Unprocessed });
                }
            },
        };
        let message = outgoing(req, host, settings, payload.take()).map(Message::into_request);
        let message = match message.and_then(|message| adapt(message, host)) {
            Ok(message) => message,
            Err(error) => return failed(error),
        };
        let sent = client.exchange(message, settings.first_byte, settings.idle).await;
        let Unanswered { error, body } = match sent {
            Ok(answer) if affinity::refuses(req, answer.status(), answer.headers()) => {
                return failed(ProxyError::NeedsHttp1);
            }
            Ok(answer) => return Ended::Here(Outcome::Answered(received(answer, slot))),
            Err(unanswered) => unanswered,
        };
        body.into_iter().for_each(|body| payload.give_back(body));
        if connections::asks_for_http1(&error) {
            if host.versions == Versions::Http2 {
                return failed(ProxyError::WantsHttp1);
            }
            connections::chose_http1(host.state.id);
            if payload.available() {
                return Ended::UseHttp1(slot);
            }
        }
        let fate = error.fate(repeatable);
        if !may_repeat_here(fate, reused, refused) || !payload.available() {
            return Ended::Here(Outcome::Failed { error, fate });
        }
        refused |= !reused;
        reused = false;
    }
}

/// An open connection with room for a request.
fn take(host: &Upstream) -> Option<Client> {
    let client = connections::take(host.state.id)?;
    WorkerMetrics::current().upstream(host.number).reuse();
    Some(client)
}

/// The result of opening a connection.
enum Opened {
    New(Client),
    /// Another request has opened it.
    Shared(Client),
    /// The upstream chose HTTP/1.1; the new connection is in the HTTP/1.1 pool.
    Http1,
}

async fn open(settings: &Settings, host: &Upstream) -> Result<Opened, ProxyError> {
    let id = host.state.id;
    let Some(dialing) = connections::dialing(id) else { return Ok(Opened::Http1) };
    let _dialing = dialing.lock().await;
    if let Some(client) = take(host) {
        return Ok(Opened::Shared(client));
    }
    if connections::dialing(id).is_none() {
        return Ok(Opened::Http1);
    }
    let tls = settings.tls.as_ref().map(|tls| match host.versions {
        Versions::Either => &tls.either,
        _ => &tls.http2,
    });
    let io = connect(host, Dial { tls, preface: None, limit: settings.connect_timeout }).await?;
    let chosen = match host.target {
        Target::Tcp { tls: true, .. } => io.alpn() == Some(b"h2"),
        _ => true,
    };
    match (chosen, host.versions) {
        (true, _) => connections::start(id, io).await.map(Opened::New),
        (false, Versions::Http2) => {
            let error = std::io::Error::other("the server does not support HTTP/2");
            Err(ProxyError::Tls(host.name.to_string(), error))
        }
        (false, _) => {
            connections::chose_http1(id);
            pool::sweep();
            pool::give(id, Box::new(Conn::new(io)), settings.keepalive.max(1));
            Ok(Opened::Http1)
        }
    }
}

/// Converts a request to HTTP/2 (RFC 9113 section 8).
fn adapt(
    mut message: http::Request<Body>,
    host: &Upstream,
) -> Result<http::Request<Body>, ProxyError> {
    let fields = message.headers_mut();
    for name in [CONNECTION, TRANSFER_ENCODING, EXPECT] {
        fields.remove(name);
    }
    let authority = fields.remove(HOST).unwrap_or_else(|| host.host_field.clone());
    let authority =
        Authority::from_maybe_shared(bytes::Bytes::copy_from_slice(authority.as_bytes()));
    let mut parts = std::mem::take(message.uri_mut()).into_parts();
    parts.scheme = Some(match host.target {
        Target::Tcp { tls: true, .. } => Scheme::HTTPS,
        _ => Scheme::HTTP,
    });
    parts.authority = Some(authority.map_err(|error| ProxyError::Request(error.into()))?);
    *message.uri_mut() = Uri::from_parts(parts).map_err(|e| ProxyError::Request(e.into()))?;
    *message.version_mut() = Version::HTTP_2;
    Ok(message)
}

/// Converts the response.
fn received(answer: Response<ResponseBody>, slot: Slot) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    clean(&mut head.headers);
    head.version = Version::HTTP_11;
    head.extensions.clear();
    let body = body.map_frame(move |frame| {
        let _held = &slot;
        frame_of(frame)
    });
    Response::from_parts(head, Body::new(body))
}

/// Removes trailer fields that are not allowed.
fn frame_of(frame: Frame<bytes::Bytes>) -> Frame<bytes::Bytes> {
    match frame.into_trailers() {
        Ok(trailers) => {
            let kept = trailers.iter().filter(|(name, _)| hop::may_trail(name));
            Frame::trailers(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        Err(frame) => frame,
    }
}
