//! The response of a responder: the header section before the content (RFC 3875 section 6), and a
//! body that is streamed.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{Method, Response, StatusCode};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::error::FastCgiError;
use super::exchange::Exchange;
use crate::http::cgi_head::{self, Head};
use crate::http::{Body, BodyError};
use crate::limits::RESPONSE_HEAD_BYTES;

/// Bytes of discarded content that are read so that the connection can be reused.
const DRAINED: usize = 256 * 1024;

/// Reads the header section; the rest becomes the response's body.
pub(super) async fn receive(
    exchange: &mut Exchange,
    method: &Method,
) -> Result<Answer, FastCgiError> {
    let mut input = BytesMut::new();
    loop {
        if let Some(head) = cgi_head::parse(&mut input).map_err(FastCgiError::Malformed)? {
            let bodiless = *method == Method::HEAD
                || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
            return Ok(Answer { head, first: input.freeze(), bodiless });
        }
        if input.len() >= RESPONSE_HEAD_BYTES {
            return Err(FastCgiError::Malformed("the header section is too large"));
        }
        match std::future::poll_fn(|cx| exchange.poll_stdout(cx)).await {
            Some(bytes) => input.extend_from_slice(&bytes?),
            None => return Err(FastCgiError::Malformed("the header section is incomplete")),
        }
    }
}

/// A header section, and the content that arrived with it.
pub(super) struct Answer {
    head: Head,
    first: Bytes,
    bodiless: bool,
}

impl Answer {
    /// The response; its body owns the exchange.
    pub(super) fn into_response(self, exchange: Exchange) -> Response<Body> {
        let Head { status, headers, length } = self.head;
        let body = if self.bodiless {
            settle(exchange);
            Body::empty()
        } else {
            let first = Some(self.first).filter(|first| !first.is_empty() && length != Some(0));
            let mut content = Content { exchange: Some(exchange), first, left: length };
            if length == Some(0) {
                content.settle();
            }
            Body::new(content)
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// The content, as the responder sends it.
struct Content {
    /// `None` when all content has been read.
    exchange: Option<Exchange>,
    first: Option<Bytes>,
    /// Bytes left of Content-Length.
    left: Option<u64>,
}

impl Content {
    /// A piece, truncated at Content-Length: excess output is discarded.
    fn piece(&mut self, mut bytes: Bytes) -> Bytes {
        if let Some(left) = &mut self.left {
            bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= bytes.len() as u64;
            if *left == 0 {
                self.settle();
            }
        }
        bytes
    }

    fn settle(&mut self) {
        self.exchange.take().into_iter().for_each(settle);
    }
}

impl HttpBody for Content {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(self.piece(first)))));
        }
        let this = self.as_mut().get_mut();
        let Some(exchange) = &mut this.exchange else { return Poll::Ready(None) };
        let error = match std::task::ready!(exchange.poll_stdout(cx)) {
            Some(Ok(bytes)) => return Poll::Ready(Some(Ok(Frame::data(this.piece(bytes))))),
            Some(Err(error)) => error,
            None if this.left.is_some_and(|left| left > 0) => {
                FastCgiError::Malformed("the content is shorter than Content-Length")
            }
            None => {
                this.exchange.take().into_iter().for_each(Exchange::finish);
                return Poll::Ready(None);
            }
        };
        let error = error.at(&exchange.terms.upstream);
        exchange.stderr.say(&error);
        this.exchange = None;
        Poll::Ready(Some(Err(error.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.is_none() && self.first.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Reads an exchange to its end after the client has received all content: a script may still work
/// after its last output, and would be aborted with the connection.
fn settle(mut exchange: Exchange) {
    if exchange.has_ended() {
        return exchange.finish();
    }
    tokio::task::spawn_local(async move {
        let limit = exchange.terms.read;
        let whole = tokio::time::timeout(limit, drain(&mut exchange)).await;
        if whole.is_ok_and(|whole| whole) {
            exchange.finish();
        }
    });
}

async fn drain(exchange: &mut Exchange) -> bool {
    let mut drained = 0;
    while drained < DRAINED {
        match std::future::poll_fn(|cx| exchange.poll_stdout(cx)).await {
            Some(Ok(bytes)) => drained += bytes.len(),
            Some(Err(_)) => return false,
            None => return true,
        }
    }
    false
}
