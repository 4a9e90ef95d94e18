//! The response of an upstream: removes hop-by-hop fields, and ties the connection to the body.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRAILER, UPGRADE};
use http::{HeaderMap, HeaderValue, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::affinity::{self, Affinity};
use super::http1::answer::{Answer, Framing};
use super::http1::content::Content;
use super::http1::exchange::Exchange;
use super::http1::pool;
use super::request::announced;
use crate::error_chain::display_chain;
use crate::http::{Body, Peer, hop};
use crate::limits::TUNNEL_IDLE;
use crate::upstream::host::error::ProxyError;
use crate::upstream::host::upstream::Slot;

/// The settings and resources that a response holds until its end.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Maximum number of idle connections.
    pub(crate) keep: usize,
    /// Idle timeout within the response.
    pub(crate) silence: Duration,
    /// The client that the connection is bound to.
    pub(crate) owner: Option<(Rc<Peer>, Affinity)>,
    pub(crate) _slot: Slot,
}

/// Ties the body to the connection, which returns to the pool of `upstream` after the last frame,
/// and is closed if the body is dropped earlier.
pub(crate) fn receive(
    answer: Answer,
    mut exchange: Exchange,
    upstream: u64,
    lease: Lease,
) -> Response<Body> {
    let Answer { mut head, framing, keep_alive } = answer;
    if exchange.switched {
        let protocol = head.headers.get(UPGRADE).cloned();
        clean(&mut head.headers);
        if let Some(protocol) = protocol {
            head.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            head.headers.insert(UPGRADE, protocol);
        }
    }
    let whole = match framing {
        Framing::Sized(length) if exchange.upload.is_none() => exchange.conn.take_whole(length),
        _ => None,
    };
    let keep_alive = keep_alive.then_some(upstream);
    let leased = Leased { exchange, lease, keep_alive };
    let body = match whole {
        Some(bytes) => {
            leased.finish();
            Body::from(bytes)
        }
        None => Body::new(LeasedBody { content: framing.into(), leased: Some(leased) }),
    };
    Response::from_parts(head, body)
}

#[derive(Debug)]
struct Leased {
    exchange: Exchange,
    lease: Lease,
    /// The key of the pool, if the connection can be reused.
    keep_alive: Option<u64>,
}

impl Leased {
    /// Logs the error, as the client has already received the head.
    fn broke(self, error: &ProxyError) {
        if !error.by_client() {
            let peer = self.exchange.conn.io.peer();
            log::error!("response of {peer} broke off: {}", display_chain(error));
        }
    }

    fn finish(self) {
        if let Some(upstream) = self.keep_alive
            && self.exchange.is_clean()
        {
            match self.lease.owner {
                None => pool::give(upstream, self.exchange.conn, self.lease.keep),
                Some((peer, why)) => affinity::give(&peer, upstream, self.exchange.conn, why),
            }
        } else if self.exchange.switched && self.exchange.upload.is_some() {
            // The upstream has closed its side of a tunnel; the client may still send.
            tokio::task::spawn_local(async move {
                let Self { mut exchange, lease, .. } = self;
                // The client's side polls the tunnel's own timer, and may wait for this one.
                poll_fn(|cx| match exchange.poll_sent(cx) {
                    Poll::Ready(()) => Poll::Ready(()),
                    Poll::Pending => exchange.conn.patience.poll(TUNNEL_IDLE, cx),
                })
                .await;
                drop(lease);
            });
        }
    }
}

pub(crate) fn clean(headers: &mut HeaderMap) {
    let trailer = announced(headers, TRAILER);
    hop::strip_hop_by_hop(headers);
    for value in trailer {
        headers.append(TRAILER, value);
    }
    if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some()
        && let Some(length) = headers.get(CONTENT_LENGTH).cloned()
    {
        headers.insert(CONTENT_LENGTH, length);
    }
}

struct LeasedBody {
    content: Content,
    leased: Option<Leased>,
}

impl LeasedBody {
    fn poll_content(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ProxyError>>> {
        let Some(Leased { exchange, lease, .. }) = &mut self.leased else {
            return Poll::Ready(None);
        };
        // Continues the upload during the response.
        exchange.send(cx)?;
        let polled = self.content.poll_frame(&mut exchange.conn, cx);
        if polled.is_pending()
            // A tunnel has its own idle timer.
            && !exchange.switched
            && exchange.conn.patience.poll(lease.silence, cx).is_ready()
        {
            return Poll::Ready(Some(Err(ProxyError::BodyIdle)));
        }
        polled
    }
}

impl HttpBody for LeasedBody {
    type Data = Bytes;
    type Error = crate::http::BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = self.poll_content(cx);
        match &polled {
            Poll::Ready(Some(Err(error))) => {
                self.leased.take().into_iter().for_each(|leased| leased.broke(error));
            }
            Poll::Ready(_) if self.content.is_done() => {
                self.leased.take().into_iter().for_each(Leased::finish);
            }
            _ => {}
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.leased.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.content {
            Content::Sized(left) => SizeHint::with_exact(left),
            Content::Done => SizeHint::with_exact(0),
            Content::Chunked(_) | Content::UntilClose => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn heads_lose_what_belongs_to_one_hop() {
        let mut headers = fields(&[
            ("connection", "x-a, close"),
            ("x-a", "1"),
            ("keep-alive", "5"),
            ("trailer", "x-t"),
            ("content-length", "3"),
            ("content-length", "3"),
            ("server", "origin"),
        ]);
        clean(&mut headers);
        let mut left: Vec<_> = headers.iter().map(|(n, _)| n.as_str()).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "server", "trailer"]);
    }
}
