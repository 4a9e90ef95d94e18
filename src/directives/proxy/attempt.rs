//! One try at one upstream: over an idle connection if there is one, else over a new one.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Response, StatusCode};
use tokio::time::Instant;

use super::answer::{Answer, Framing};
use super::conn::Conn;
use super::connect::{Dial, connect};
use super::error::ProxyError;
use super::forward::{Message, outgoing};
use super::http2;
use super::own::{self, Bond};
use super::payload::Payload;
use super::pool;
use super::respond::{Lease, receive};
use super::rule::Rule;
use super::upload::{Grant, Upload, WRONG_ACCEPT};
use super::upstream::{Slot, Upstream, Versions};
use crate::http::{Body, Request};

/// Heads of 1xx answers that may come before the final one.
const INFORMATIONAL: u8 = 32;

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
    mut slot: Slot,
) -> Outcome {
    let bond = own::bond(rule, req);
    if bond == Some(Bond::Authentication) && own::cannot_authenticate(req) {
        return Outcome::Failed { error: ProxyError::NeedsHttp1, again: false };
    }
    if host.versions != Versions::Http1 {
        match Box::pin(http2::attempt(rule, host, req, payload, (slot, bond))).await {
            Ok(outcome) => return outcome,
            Err(unused) => slot = unused,
        }
    }
    let safe = repeatable(&req.head.method) && payload.repeatable();
    // What may not be sent twice deserves a connection that is known to be open.
    let now = Instant::now();
    let mut pooled = match bond {
        None => pool::take(host.state.id, !safe, now),
        Some(_) => own::take(&req.peer, host.state.id),
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
                if own::refuses(req, answer.head.status, &answer.head.headers) {
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

/// A request and its answer on a connection.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) conn: Box<Conn>,
    /// What is left to send. It may outlive the head of the answer.
    pub(super) upload: Option<Upload>,
    /// The upstream takes no more of the request; what it has answered still counts.
    refused: Option<ProxyError>,
    /// The upstream has changed the protocol: what follows is no HTTP.
    pub(super) switched: bool,
    informational: u8,
    method: Method,
}

struct Broken {
    error: ProxyError,
    /// Nothing of an answer came.
    silent: bool,
}

impl Exchange {
    fn start(mut conn: Box<Conn>, message: Message<'_>, now: Instant) -> Self {
        let method = message.method.clone();
        conn.patience.moved_at(now);
        let upload = Some(Upload::start(&mut conn, message));
        Self { conn, upload, refused: None, switched: false, informational: 0, method }
    }

    /// Whether the connection may carry another request once the answer has ended.
    pub(super) fn is_clean(&self) -> bool {
        self.upload.is_none() && self.refused.is_none() && !self.conn.has_input()
    }

    /// Sends on. Only what went wrong on the client's side is an error.
    pub(super) fn send(&mut self, cx: &mut Context<'_>) -> Result<(), ProxyError> {
        let Some(upload) = &mut self.upload else { return Ok(()) };
        match upload.poll(&mut self.conn, cx) {
            Poll::Pending => return Ok(()),
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) if error.by_client() => return Err(error),
            Poll::Ready(Err(error)) => self.refused = Some(error),
        }
        self.upload = None;
        Ok(())
    }

    /// Sends on until all is sent, or can be sent no more.
    pub(super) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let sent = self.send(cx);
        if sent.is_err() || self.upload.is_none() { Poll::Ready(()) } else { Poll::Pending }
    }

    async fn answer(&mut self, silence: Duration) -> Result<Answer, Broken> {
        let answer = poll_fn(|cx| {
            loop {
                self.send(cx)?;
                match self.conn.poll_answer(&self.method, cx) {
                    Poll::Ready(Ok(answer)) if answer.head.status.is_informational() => {
                        if let Some(last) = self.interim(answer)? {
                            return Poll::Ready(Ok(last));
                        }
                    }
                    Poll::Ready(Ok(answer)) => {
                        if answer.framing == Framing::Chunked && !self.conn.begins_a_chunk() {
                            return Poll::Ready(Err(ProxyError::CHUNKS));
                        }
                        self.settle();
                        return Poll::Ready(Ok(answer));
                    }
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(Err(self.refused.take().unwrap_or(error)));
                    }
                    // While the client's body still moves, the upstream cannot be late.
                    Poll::Pending => {
                        let patience = self.conn.patience.poll(silence, cx);
                        return patience.map(|()| Err(ProxyError::FirstByte));
                    }
                }
            }
        });
        answer.await.map_err(|error| Broken { error, silent: !self.conn.has_input() })
    }

    /// A 1xx answer: one that changes the protocol is the last, others are passed over.
    fn interim(&mut self, mut answer: Answer) -> Result<Option<Answer>, ProxyError> {
        match answer.head.status {
            StatusCode::SWITCHING_PROTOCOLS => {
                let upload = self.upload.as_mut().ok_or(ProxyError::UNASKED)?;
                if let Grant::WrongAccept = upload.switch(&answer.head.headers)? {
                    let from = self.conn.io.peer();
                    log::warn!(
                        "WebSocket of upstream {from}: {WRONG_ACCEPT}; it is the client's to refuse"
                    );
                }
                self.switched = true;
                answer.framing = Framing::UntilClose;
                answer.keep_alive = false;
                return Ok(Some(answer));
            }
            StatusCode::CONTINUE => self.upload.iter_mut().for_each(Upload::go_on),
            _ => {}
        }
        self.informational += 1;
        if self.informational > INFORMATIONAL {
            return Err(ProxyError::Malformed("too many 1xx answers"));
        }
        Ok(None)
    }

    /// The final answer came: what waits for an interim one is not sent any more.
    fn settle(&mut self) {
        if let Some(waiting) = self.upload.take_if(|upload| upload.waits()) {
            // Content that was announced does not come, and ends the connection.
            self.refused = waiting.owes().then_some(ProxyError::NotContinued);
        }
    }
}

/// Methods that may be sent twice (RFC 9110 section 9.2.2).
pub(super) fn repeatable(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}
