//! One try at one upstream: over an idle connection if there is one, else over a new one.

use tokio::time::Instant;

use super::affinity::{self, Bond};
use super::connect::{Dial, connect};
use super::http1::connection::Conn;
use super::http1::exchange::{Broken, Exchange};
use super::http1::pool;
use super::http2::attempt;
use super::outcome::{Outcome, repeatable};
use super::payload::Payload;
use super::request::outgoing;
use super::response::{Lease, receive};
use crate::directives::proxy::host::error::ProxyError;
use crate::directives::proxy::host::upstream::{Slot, Upstream, Versions};
use crate::directives::proxy::rule::Rule;
use crate::http::Request;

/// Sends the request and waits for the head of the answer.
pub(crate) async fn attempt(
    rule: &Rule,
    host: &Upstream,
    req: &Request,
    payload: &mut Payload,
    mut slot: Slot,
) -> Outcome {
    let bond = affinity::bond(rule, req);
    if bond == Some(Bond::Authentication) && affinity::cannot_authenticate(req) {
        return Outcome::Failed { error: ProxyError::NeedsHttp1, again: false };
    }
    if host.versions != Versions::Http1 {
        match Box::pin(attempt::attempt(rule, host, req, payload, (slot, bond))).await {
            Ok(outcome) => return outcome,
            Err(unused) => slot = unused,
        }
    }
    let safe = repeatable(&req.head.method) && payload.repeatable();
    // What may not be sent twice deserves a connection that is known to be open.
    let now = Instant::now();
    let mut pooled = match bond {
        None => pool::take(host.state.id, !safe, now),
        Some(_) => affinity::take(&req.peer, host.state.id),
    };
    loop {
        let reused = pooled.is_some();
        let conn = match pooled.take() {
            Some(conn) => conn,
            // Rare and large, it has no place in every request's future.
            None => match Box::pin(connect_http1(rule, host, req)).await {
                Ok(conn) => conn,
                Err(error) => return Outcome::Failed { again: error.before_sending(), error },
            },
        };
        let message = match outgoing(req, host, rule, payload.take()) {
            Ok(message) => message,
            Err(error) => return Outcome::Failed { error, again: false },
        };
        let mut exchange = Exchange::start(conn, message, now);
        match exchange.answer(rule.first_byte).await {
            Ok(answer) => {
                if affinity::refuses(req, answer.head.status, &answer.head.headers) {
                    return Outcome::Failed { error: ProxyError::NeedsHttp1, again: false };
                }
                let owner = bond.map(|bond| (req.peer.clone(), bond));
                let (keep, silence) = (rule.keepalive, rule.idle);
                let lease = Lease { keep, silence, owner, _slot: slot };
                return Outcome::Answered(receive(answer, exchange, host.state.id, lease));
            }
            // The upstream closed the idle connection as the request was on its way.
            Err(Broken { error: ProxyError::Answer(_), silent: true })
                if reused && safe && payload.available() => {}
            Err(Broken { error, .. }) => {
                let timed_out = matches!(error, ProxyError::FirstByte);
                return Outcome::Failed { error, again: safe && !timed_out };
            }
        }
    }
}

async fn connect_http1(
    rule: &Rule,
    host: &Upstream,
    req: &Request,
) -> Result<Box<Conn>, ProxyError> {
    let preface = rule.proxy_protocol.map(|version| version.header(&req.peer));
    let tls = rule.tls.as_ref().map(|tls| &tls.http1);
    let io = connect(host, Dial { tls, preface, limit: rule.connect_timeout }).await?;
    pool::sweep();
    Ok(Box::new(Conn::new(io)))
}
