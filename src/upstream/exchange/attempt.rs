//! One attempt at one upstream: over an idle connection if available, else over a new one.

use tokio::time::Instant;

use super::affinity::{self, Affinity};
use super::connect::{Dial, connect};
use super::hints;
use super::http1::connection::Conn;
use super::http1::exchange::{Broken, Exchange};
use super::http1::pool;
use super::http2::attempt::{self as http2, Ended};
use super::outcome::{Attempt, Outcome, is_idempotent};
use super::request::outgoing;
use super::response::{Lease, receive};
use super::settings::Settings;
use crate::http::Request;
use crate::metrics::WorkerMetrics;
use crate::upstream::host::error::ProxyError;
use crate::upstream::host::upstream::{Slot, Upstream, Versions};

/// Sends the request and waits for the head of the response.
pub(crate) async fn attempt(mut this: Attempt<'_>, mut slot: Slot) -> Outcome {
    let Attempt { settings, host, req, .. } = this;
    let affinity = affinity::of(settings, req);
    if affinity == Some(Affinity::Authentication) && affinity::cannot_authenticate(req) {
        return Outcome::failed(ProxyError::NeedsHttp1, false);
    }
    if host.versions != Versions::Http1 {
        match Box::pin(http2::attempt(&mut this, slot, affinity)).await {
            Ended::Here(outcome) => return outcome,
            Ended::UseHttp1(unused) => slot = unused,
        }
    }
    let repeatable = is_idempotent(&req.head.method) && this.payload.repeatable();
    // A request that cannot be repeated needs a connection that is certainly open.
    let now = Instant::now();
    let mut pooled = match affinity {
        None => pool::take(host.state.id, !repeatable, now),
        Some(_) => affinity::take(&req.peer, host.state.id),
    };
    loop {
        let reused = pooled.is_some();
        let conn = match pooled.take() {
            Some(conn) => {
                WorkerMetrics::current().upstream(host.number).reuse();
                conn
            }
            // Boxed: it is rare, and would enlarge the future of every request.
            None => match Box::pin(connect_http1(settings, host, req)).await {
                Ok(conn) => conn,
                Err(error) => return Outcome::failed(error, false),
            },
        };
        let message = match outgoing(req, host, settings, this.payload.take()) {
            Ok(message) => message,
            Err(error) => return Outcome::failed(error, false),
        };
        let mut exchange = Exchange::start(conn, message, now);
        let hints = |fields| hints::forward(settings, req, fields);
        match exchange.answer(settings.first_byte, hints).await {
            Ok(answer) => {
                if affinity::refuses(req, answer.head.status, &answer.head.headers) {
                    return Outcome::failed(ProxyError::NeedsHttp1, false);
                }
                let owner = affinity.map(|affinity| (req.peer.clone(), affinity));
                let (keep, silence) = (settings.keepalive, settings.idle);
                let lease = Lease { keep, silence, owner, _slot: slot };
                return Outcome::Answered(receive(answer, exchange, host.state.id, lease));
            }
            // The upstream closed the idle connection while the request was being sent.
            Err(Broken::Closed(_)) if reused && repeatable && this.payload.available() => {}
            Err(Broken::Closed(error) | Broken::Failed(error)) => {
                return Outcome::failed(error, repeatable);
            }
        }
    }
}

async fn connect_http1(
    settings: &Settings,
    host: &Upstream,
    req: &Request,
) -> Result<Box<Conn>, ProxyError> {
    let preface =
        settings.proxy_protocol.map(|version| version.header(req.peer.remote, req.peer.local));
    let tls = settings.tls.as_ref().map(|tls| &tls.http1);
    let io = connect(host, Dial { tls, preface, limit: settings.connect_timeout }).await?;
    pool::sweep();
    Ok(Box::new(Conn::new(io)))
}
