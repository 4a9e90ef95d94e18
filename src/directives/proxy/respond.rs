//! An upstream's response on its way back: its head cleaned, its body holding the connection
//! until the last frame.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use super::error::ProxyError;
use super::pool::{self, Conn};
use super::upstream::{Slot, State};
use crate::http::{Body, hop};

/// An exchange under way: the connection goes back to the pool only when the response has passed
/// to its end; dropped before, it is closed.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) conn: Conn,
    pub(super) state: Arc<State>,
    /// Idle connections that may be kept.
    pub(super) keep: usize,
    /// How long the upstream may be silent within its answer.
    pub(super) silence: Duration,
    pub(super) slot: Slot,
}

impl Lease {
    fn finish(self) {
        pool::give(self.state.id, self.conn, self.keep);
        drop(self.slot);
    }
}

/// Checks and cleans the head and ties the body to the connection.
pub(super) fn receive(
    response: Response<Incoming>,
    lease: Lease,
) -> Result<Response<Body>, ProxyError> {
    let (mut head, body) = response.into_parts();
    check(head.status, &head.headers)?;
    clean(&mut head.headers);
    let body = if body.is_end_stream() {
        lease.finish();
        Body::empty()
    } else {
        Body::new(LeasedBody { body, lease: Some(lease), idle: None, waiting: false })
    };
    head.version = http::Version::HTTP_11;
    Ok(Response::from_parts(head, body))
}

/// Refuses what would make two readers see different messages (RFC 9112 section 6.3), and a
/// switch of protocols that nobody asked for.
fn check(status: StatusCode, headers: &HeaderMap) -> Result<(), ProxyError> {
    if status.is_informational() {
        return Err(ProxyError::Malformed("it switches protocols unasked"));
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(()) };
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err(ProxyError::Malformed("both Content-Length and Transfer-Encoding"));
    }
    if lengths.any(|other| other != length) {
        return Err(ProxyError::Malformed("Content-Length fields that differ"));
    }
    Ok(())
}

fn clean(headers: &mut HeaderMap) {
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

/// The values of a field that is kept although it belongs to one hop: trailers pass through.
pub(super) fn announced(headers: &HeaderMap, name: HeaderName) -> Vec<http::HeaderValue> {
    headers.get_all(name).iter().cloned().collect()
}

struct LeasedBody {
    body: Incoming,
    lease: Option<Lease>,
    /// Runs while the upstream is silent.
    idle: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl LeasedBody {
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let silence = self.lease.as_ref().map_or(Duration::ZERO, |lease| lease.silence);
        let until = Instant::now() + silence;
        let idle = self.idle.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if !self.waiting {
            idle.as_mut().reset(until);
            self.waiting = true;
        }
        idle.as_mut().poll(cx)
    }
}

impl HttpBody for LeasedBody {
    type Data = Bytes;
    type Error = crate::http::BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match polled {
            Poll::Pending => {
                if self.poll_idle(cx).is_pending() {
                    return Poll::Pending;
                }
                self.lease = None;
                Poll::Ready(Some(Err(ProxyError::BodyIdle.into())))
            }
            Poll::Ready(Some(Err(error))) => {
                self.lease = None;
                Poll::Ready(Some(Err(ProxyError::Answer(error).into())))
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.waiting = false;
                if self.body.is_end_stream() {
                    self.lease.take().into_iter().for_each(Lease::finish);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.lease.take().into_iter().for_each(Lease::finish);
                Poll::Ready(None)
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn ambiguous_answers_are_refused() {
        for (lines, good) in [
            (&[][..], true),
            (&[("content-length", "3")], true),
            (&[("content-length", "3"), ("content-length", "3")], true),
            (&[("content-length", "3"), ("content-length", "4")], false),
            (&[("content-length", "3"), ("transfer-encoding", "chunked")], false),
        ] {
            assert_eq!(check(StatusCode::OK, &fields(lines)).is_ok(), good, "{lines:?}");
        }
        assert!(check(StatusCode::SWITCHING_PROTOCOLS, &fields(&[])).is_err());
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
