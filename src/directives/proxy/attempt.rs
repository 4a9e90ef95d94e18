//! One try at one upstream: over an idle connection if there is one, else over a new one.

use std::time::Duration;

use http::{Method, Response};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::connect::connect;
use super::error::ProxyError;
use super::forward::outgoing;
use super::options::Rule;
use super::payload::{Payload, Progress};
use super::pool::{self, Conn};
use super::respond::{Lease, receive};
use super::upstream::{Slot, Upstream};
use crate::http::{Body, Request};

/// How a try ended.
pub(super) enum Outcome {
    Answered(Response<Body>),
    /// `again`: the request may be sent once more without harm.
    Failed {
        error: ProxyError,
        again: bool,
    },
}

/// Sends the request and waits for the head of the answer.
pub(super) async fn attempt(
    rule: &Rule,
    host: &Upstream,
    req: &Request,
    payload: &mut Payload,
    slot: Slot,
) -> Outcome {
    let (body, progress) = payload.take();
    let mut message = match outgoing(req, host, &rule.without, &rule.upstream_headers, body) {
        Ok(message) => message,
        Err((error, _)) => return Outcome::Failed { error, again: false },
    };
    let safe = repeatable(&req.head.method) && payload.repeatable();
    let mut fresh_only = false;
    loop {
        let pooled = if fresh_only { None } else { pool::take(host.state.id) };
        let reused = pooled.is_some();
        let mut conn = match pooled {
            Some(conn) => conn,
            None => match connect(host, rule.tls.as_ref(), rule.connect_timeout).await {
                Ok(conn) => conn,
                Err(error) => {
                    payload.put_back(message.into_body());
                    let again = error.before_sending();
                    return Outcome::Failed { error, again };
                }
            },
        };
        match exchange(&mut conn, message, progress.as_ref(), rule.silence).await {
            Ok(response) => {
                let lease = Lease {
                    conn,
                    state: host.state.clone(),
                    keep: rule.keepalive,
                    silence: rule.silence,
                    slot,
                };
                return match receive(response, lease) {
                    Ok(response) => Outcome::Answered(response),
                    Err(error) => Outcome::Failed { error, again: false },
                };
            }
            // The upstream had closed the idle connection: nothing was sent.
            Err(Broken { unsent: Some(given_back), .. }) if reused => message = *given_back,
            Err(Broken { unsent: Some(given_back), error }) => {
                payload.put_back(given_back.into_body());
                return Outcome::Failed { error, again: true };
            }
            // It may have closed it as the request was on its way.
            Err(Broken { error: ProxyError::Answer(error), .. })
                if reused && safe && closed_under_us(&error) =>
            {
                let (body, _) = payload.take();
                match outgoing(req, host, &rule.without, &rule.upstream_headers, body) {
                    Ok(rebuilt) => message = rebuilt,
                    Err((error, _)) => return Outcome::Failed { error, again: false },
                }
                fresh_only = true;
            }
            Err(Broken { error, .. }) => {
                let timed_out = matches!(error, ProxyError::FirstByte);
                return Outcome::Failed { error, again: safe && !timed_out };
            }
        }
    }
}

struct Broken {
    error: ProxyError,
    /// The request, when no byte of it was written.
    unsent: Option<Box<http::Request<Body>>>,
}

async fn exchange(
    conn: &mut Conn,
    message: http::Request<Body>,
    progress: Option<&Progress>,
    silence: Duration,
) -> Result<Response<Incoming>, Broken> {
    let answer = conn.sender.try_send_request(message);
    tokio::pin!(answer);
    let mut since = Instant::now();
    loop {
        match timeout_at(since + silence, answer.as_mut()).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(mut refused)) => {
                let unsent = refused.take_message().map(Box::new);
                return Err(Broken { error: ProxyError::Answer(refused.into_error()), unsent });
            }
            // While the client's body still moves, the upstream cannot be late.
            Err(_) => match progress.map(Progress::last) {
                Some(last) if last > since => since = last,
                _ => return Err(Broken { error: ProxyError::FirstByte, unsent: None }),
            },
        }
    }
}

/// Methods that may be sent twice (RFC 9110 section 9.2.2).
fn repeatable(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

/// Whether the connection ended before any byte of an answer.
fn closed_under_us(error: &hyper::Error) -> bool {
    let io = std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>());
    error.is_incomplete_message() || error.is_closed() || error.is_canceled() || io
}
