//! An attempt at an upstream that may support HTTP/2.

use h2::RecvStream;
use http::header::{EXPECT, HOST};
use http::uri::{Authority, Scheme};
use http::{Response, Uri, Version};
use tokio::time::{Instant, timeout_at};

use super::connections::{self, Client};
use super::exchange::{Exchange, Unanswered, asks_for_http1};
use crate::http::{Body, Request, hop};
use crate::metrics::WorkerMetrics;
use crate::upstream::exchange::affinity::{self, Affinity};
use crate::upstream::exchange::connect::{Dial, connect};
use crate::upstream::exchange::hints;
use crate::upstream::exchange::http1::connection::Conn;
use crate::upstream::exchange::http1::pool;
use crate::upstream::exchange::outcome::{Attempt, Outcome, is_idempotent};
use crate::upstream::exchange::request::{Message, outgoing};
use crate::upstream::exchange::response::clean;
use crate::upstream::exchange::settings::Settings;
use crate::upstream::host::error::{Fate, ProxyError};
use crate::upstream::host::upstream::{Slot, Target, Upstream, Versions};

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
        let asked = ask(client, settings, host, req, payload.take()).await;
        let Unanswered { error, body } = match asked {
            Ok((_, answer)) if affinity::refuses(req, answer.status(), answer.headers()) => {
                return failed(ProxyError::NeedsHttp1);
            }
            Ok((exchange, answer)) => {
                let answer = received(exchange.receive(answer, settings.idle, slot));
                return Ended::Here(Outcome::Answered(answer));
            }
            Err(unanswered) => unanswered,
        };
        body.into_iter().for_each(|body| payload.give_back(body));
        if asks_for_http1(&error) {
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

/// Sends the request on a connection and waits for the head of the response.
async fn ask(
    client: Client,
    settings: &Settings,
    host: &Upstream,
    req: &Request,
    body: Body,
) -> Result<(Exchange, Response<RecvStream>), Unanswered> {
    let message = outgoing(req, host, settings, body).map(Message::into_request);
    let message = message.and_then(|message| adapt(message, host))?;
    let mut exchange = Exchange::start(client, message)?;
    let hints = |mut fields| {
        clean(&mut fields);
        hints::forward(settings, req, fields);
    };
    let answer = exchange.answer(settings.first_byte, hints).await?;
    Ok((exchange, answer))
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
    // Those that wait for another's dialing wait no longer than that may take.
    let deadline = Instant::now() + settings.connect_timeout;
    let Ok(_dialing) = timeout_at(deadline, dialing.lock()).await else {
        return Err(ProxyError::ConnectTimeout(host.name.to_string()));
    };
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
    let limit = deadline.saturating_duration_since(Instant::now());
    let io = connect(host, Dial { tls, preface: None, limit }).await?;
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
    fields.remove(EXPECT);
    let authority = fields.remove(HOST).unwrap_or_else(|| host.host_field.clone());
    // Some belong to HTTP/1.1, and rules may have set others.
    let specific: Vec<_> = fields
        .iter()
        .filter(|(name, value)| hop::is_connection_specific(name.as_ref(), value.as_bytes()))
        .map(|(name, _)| name.clone())
        .collect();
    for name in specific {
        fields.remove(name);
    }
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
fn received(answer: Response<Body>) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    clean(&mut head.headers);
    head.version = Version::HTTP_11;
    head.extensions.clear();
    Response::from_parts(head, body)
}
