//! The response of a responder: the header section before the content (RFC 3875 section 6), and a
//! body that is streamed.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderName, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::error::FastCgiError;
use super::exchange::Exchange;
use crate::http::{Body, BodyError, hop};
use crate::limits::{RESPONSE_FIELDS, RESPONSE_HEAD_BYTES};

/// Bytes of discarded content that are read so that the connection can be reused.
const DRAINED: usize = 256 * 1024;

const STATUS: HeaderName = HeaderName::from_static("status");

/// Reads the header section; the rest becomes the response's body.
pub(super) async fn receive(
    exchange: &mut Exchange,
    method: &Method,
) -> Result<Answer, FastCgiError> {
    let mut input = BytesMut::new();
    loop {
        if let Some(head) = parse(&mut input)? {
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

#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The value of Content-Length.
    pub(super) length: Option<u64>,
}

/// Takes a header section from the front of `input`, if it is complete.
pub(super) fn parse(input: &mut BytesMut) -> Result<Option<Head>, FastCgiError> {
    let mut fields = [httparse::EMPTY_HEADER; RESPONSE_FIELDS];
    let (length, fields) = match httparse::parse_headers(input, &mut fields) {
        Ok(httparse::Status::Complete(parsed)) => parsed,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(FastCgiError::Malformed("too many header fields"));
        }
        Err(_) => return Err(FastCgiError::Malformed("the header section is not valid CGI")),
    };
    let mut headers = HeaderMap::with_capacity(fields.len() + 2);
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(field.value)) else {
            return Err(FastCgiError::Malformed("invalid header field"));
        };
        headers.append(name, value);
    }
    let _ = input.split_to(length);
    let status = status(&mut headers)?;
    hop::strip_hop_by_hop(&mut headers);
    let length = content_length(&headers)?;
    Ok(Some(Head { status, headers, length }))
}

/// `Status`, else 302 with a `Location`, else 200 (RFC 3875 sections 6.3.3 and 6.2.3).
fn status(headers: &mut HeaderMap) -> Result<StatusCode, FastCgiError> {
    let Some(value) = headers.remove(STATUS) else {
        let moved = headers.contains_key(LOCATION);
        return Ok(if moved { StatusCode::FOUND } else { StatusCode::OK });
    };
    let digits = value.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
    match StatusCode::from_bytes(digits) {
        Ok(status) if !status.is_informational() => Ok(status),
        _ => Err(FastCgiError::Malformed("invalid Status")),
    }
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, FastCgiError> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(None) };
    let digits = Some(length.as_bytes()).filter(|digits| digits.iter().all(u8::is_ascii_digit));
    let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match number {
        Some(number) if lengths.next().is_none() => Ok(Some(number)),
        _ => Err(FastCgiError::Malformed("invalid Content-Length")),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<(u16, Option<u64>, usize)>, String> {
        let mut input = BytesMut::from(text);
        let head = parse(&mut input).map_err(|error| error.to_string())?;
        Ok(head.map(|head| (head.status.as_u16(), head.length, input.len())))
    }

    #[test]
    fn heads_are_read() {
        for (text, want) in [
            ("Status: 404 Not Found\r\nX: y\r\n\r\nbody", Some((404, None, 4))),
            ("Content-type: text/html\n\nbody", Some((200, None, 4))),
            ("Status: 301\r\nLocation: /a\r\n\r\n", Some((301, None, 0))),
            ("Location: https://a/\r\n\r\n", Some((302, None, 0))),
            ("Content-Length: 4\r\n\r\nbody", Some((200, Some(4), 4))),
            ("Transfer-Encoding: chunked\r\nX: y\r\n\r\n", Some((200, None, 0))),
            ("X: y\r\n", None),
            ("", None),
        ] {
            assert_eq!(read(text), Ok(want), "{text:?}");
        }
    }

    #[test]
    fn heads_that_are_none_are_refused() {
        for text in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "<html>\r\n\r\n",
            "Status: 101 Switching\r\n\r\n",
            "Status: ok\r\n\r\n",
            "Status:\r\n\r\n",
            "Content-Length: x\r\n\r\n",
            "Content-Length: 4\r\nContent-Length: 5\r\n\r\n",
            "X: a\0b\r\n\r\n",
            "Na me: b\r\n\r\n",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
