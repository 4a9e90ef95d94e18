//! Decodes the content of an upstream's response from its framing.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::body::Frame;

use super::answer::Framing;
use super::connection::Conn;
use crate::http::chunked::Chunked;
use crate::http::hop;
use crate::limits::{RESPONSE_HEAD_BYTES, RESPONSE_TRAILERS};
use crate::upstream::host::error::ProxyError;

/// The rest of the content.
#[derive(Debug)]
pub(crate) enum Content {
    Sized(u64),
    Chunked(Chunked),
    UntilClose,
    Done,
}

impl From<Framing> for Content {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::Sized(0) => Self::Done,
            Framing::Sized(length) => Self::Sized(length),
            Framing::Chunked => Self::Chunked(Chunked::of_response(RESPONSE_HEAD_BYTES)),
            Framing::UntilClose => Self::UntilClose,
        }
    }
}

impl Content {
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    pub(crate) fn poll_frame(
        &mut self,
        conn: &mut Conn,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ProxyError>>> {
        let polled = match self {
            Self::Done => return Poll::Ready(None),
            Self::Sized(left) => {
                let bytes = ready!(conn.poll_bytes(*left, cx));
                match bytes.and_then(not_cut) {
                    Ok(bytes) => {
                        *left -= bytes.len() as u64;
                        if *left == 0 {
                            *self = Self::Done;
                        }
                        Ok(Some(Frame::data(bytes)))
                    }
                    Err(error) => Err(ProxyError::Answer(error)),
                }
            }
            Self::UntilClose => match ready!(conn.poll_bytes(u64::MAX, cx)) {
                Ok(bytes) if bytes.is_empty() => Ok(None),
                Ok(bytes) => Ok(Some(Frame::data(bytes))),
                Err(error) => Err(ProxyError::Answer(error)),
            },
            Self::Chunked(chunked) => match ready!(poll_chunked(chunked, conn, cx)) {
                Ok(Some(frame)) if frame.is_trailers() => {
                    *self = Self::Done;
                    Ok(Some(frame))
                }
                other => other,
            },
        };
        if !matches!(polled, Ok(Some(_))) {
            *self = Self::Done;
        }
        Poll::Ready(polled.transpose())
    }
}

fn poll_chunked(
    chunked: &mut Chunked,
    conn: &mut Conn,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Frame<Bytes>>, ProxyError>> {
    loop {
        let content = chunked.content();
        if content > 0 {
            let bytes = ready!(conn.poll_bytes(content, cx)).and_then(not_cut);
            let bytes = bytes.map_err(ProxyError::Answer)?;
            chunked.advance(&bytes).map_err(|_| ProxyError::CHUNKS)?;
            return Poll::Ready(Ok(Some(Frame::data(bytes))));
        }
        let waits = if chunked.is_at_trailers() {
            if let Some(trailers) = trailers(conn)? {
                let some = !trailers.is_empty();
                return Poll::Ready(Ok(some.then(|| Frame::trailers(trailers))));
            }
            true
        } else {
            let count = chunked.framing(conn.input()).ok_or(ProxyError::CHUNKS)?;
            conn.input().advance(count);
            conn.input().is_empty()
        };
        if waits && chunked.content() == 0 {
            ready!(conn.poll_more(cx)).map_err(ProxyError::Answer)?;
        }
    }
}

/// The trailer section, once it is complete, without fields that are not allowed there.
fn trailers(conn: &mut Conn) -> Result<Option<HeaderMap>, ProxyError> {
    let input = conn.input();
    let mut fields = [httparse::EMPTY_HEADER; RESPONSE_TRAILERS];
    let (length, fields) = match httparse::parse_headers(input, &mut fields) {
        Ok(httparse::Status::Complete(parsed)) => parsed,
        Ok(httparse::Status::Partial) if input.len() < RESPONSE_HEAD_BYTES => return Ok(None),
        _ => return Err(ProxyError::Malformed("invalid trailer section")),
    };
    let mut trailers = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(field.value)) else {
            return Err(ProxyError::Malformed("invalid trailer section"));
        };
        if hop::may_trail(&name) {
            trailers.append(name, value);
        }
    }
    input.advance(length);
    Ok(Some(trailers))
}

fn not_cut(bytes: Bytes) -> io::Result<Bytes> {
    if bytes.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
}
