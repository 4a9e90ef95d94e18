//! Sends a request to an upstream: the head, then the body.

use std::future::Future;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Version};
use hyper::body::{Body as HttpBody, Frame};
use tokio::io::AsyncWrite;
use tokio::time::Sleep;

use super::connection::Conn;
use crate::http::upgrade::{self, WEBSOCKET_ACCEPT, WEBSOCKET_KEY};
use crate::http::{Body, BodyError, hop};
use crate::limits::CONTINUE_WAIT;
use crate::upstream::exchange::request::Message;
use crate::upstream::host::error::ProxyError;
use crate::upstream::rewrite::overlay::Fields;

/// Smaller pieces are copied to the output buffer: over HTTP/3 they arrive in datagrams.
const SMALL: usize = 8 * 1024;
/// Bytes that are collected before a write.
const GATHERED: usize = 64 * 1024;

/// The rest of a request.
#[derive(Debug)]
pub(crate) struct Upload {
    body: Body,
    framing: Coding,
    /// The current piece of content, and the framing after it.
    piece: Bytes,
    tail: &'static [u8],
    /// The response to wait for before the content is sent.
    wait: Option<Wait>,
    /// The end of the body closes this direction.
    half_close: bool,
}

#[derive(Debug)]
enum Wait {
    /// 100 Continue, or the end of the timer.
    Continue(Pin<Box<Sleep>>),
    /// 101, for the requested protocol.
    Switch(Box<Requested>),
}

/// The check of a 101.
pub(crate) enum Grant {
    Whole,
    /// Only Sec-WebSocket-Accept is invalid, which the client checks itself.
    WrongAccept,
}

pub(crate) const WRONG_ACCEPT: &str = "Sec-WebSocket-Accept is invalid";

#[derive(Debug)]
struct Requested {
    protocol: HeaderValue,
    /// The expected Sec-WebSocket-Accept.
    accept: Option<HeaderValue>,
    /// The key is the client's own, which checks the response; else the key was generated for the
    /// client.
    client_verifies: bool,
}

#[derive(Debug, PartialEq)]
enum Coding {
    /// The rest of Content-Length.
    Sized(u64),
    Chunked,
    /// None: a tunnel.
    Raw,
    Ended,
}

impl Upload {
    /// Writes the head to the output buffer, without sending it. The head determines the framing
    /// of the body.
    pub(crate) fn start(conn: &mut Conn, message: Message<'_>) -> Self {
        write_head(&mut conn.output, &message);
        let Message { version, fields, body, .. } = message;
        let mut wait = None;
        let framing = if body.is_end_stream() {
            Coding::Ended
        } else if let Some(protocol) = fields.get(&UPGRADE) {
            let requested = Requested::new(protocol, &fields, version < Version::HTTP_2);
            wait = Some(Wait::Switch(Box::new(requested)));
            Coding::Raw
        } else if fields.contains(&TRANSFER_ENCODING) {
            Coding::Chunked
        } else {
            let length = fields.get(&CONTENT_LENGTH).and_then(|value| value.to_str().ok());
            Coding::Sized(length.and_then(|length| length.parse().ok()).unwrap_or(0))
        };
        if wait.is_none() && framing != Coding::Ended && fields.contains(&EXPECT) {
            wait = Some(Wait::Continue(Box::pin(tokio::time::sleep(CONTINUE_WAIT))));
        }
        Self { body, framing, piece: Bytes::new(), tail: b"", wait, half_close: false }
    }

    /// Whether the content waits for an interim response.
    pub(crate) fn waits(&self) -> bool {
        self.wait.is_some()
    }

    /// Whether announced content has not been sent.
    pub(crate) fn is_incomplete(&self) -> bool {
        matches!(self.framing, Coding::Sized(_) | Coding::Chunked)
    }

    /// Handles 100 Continue.
    pub(crate) fn continue_content(&mut self) {
        self.wait.take_if(|wait| matches!(wait, Wait::Continue(_)));
    }

    /// Checks a 101 with these fields.
    pub(crate) fn switch(&mut self, fields: &HeaderMap) -> Result<Grant, ProxyError> {
        let Some(Wait::Switch(requested)) = self.wait.take() else {
            return Err(ProxyError::UNASKED);
        };
        requested.granted(fields)
    }

    /// Sends until everything is written and flushed.
    pub(crate) fn poll(
        &mut self,
        conn: &mut Conn,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ProxyError>> {
        loop {
            let waits = self.poll_wait(cx).is_pending()
                || self.poll_gather(&mut conn.output, cx)?.is_pending();
            if conn.output.is_empty() && self.is_sent() {
                let flushed = Pin::new(&mut conn.io).poll_flush(cx).map_err(ProxyError::Answer)?;
                match self.framing {
                    _ if waits => return Poll::Pending,
                    Coding::Ended if self.half_close => {
                        let closed = Pin::new(&mut conn.io).poll_shutdown(cx);
                        return closed.map_err(ProxyError::Answer);
                    }
                    Coding::Ended => return flushed.map(Ok),
                    _ => continue,
                }
            }
            ready!(self.poll_write(conn, cx)).map_err(ProxyError::Answer)?;
            if self.framing != Coding::Ended {
                conn.patience.moved();
            }
        }
    }

    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.wait {
            None => return Poll::Ready(()),
            Some(Wait::Switch(_)) => return Poll::Pending,
            Some(Wait::Continue(timer)) => ready!(timer.as_mut().poll(cx)),
        }
        self.wait = None;
        Poll::Ready(())
    }

    /// Whether the current piece has been written.
    fn is_sent(&self) -> bool {
        self.piece.is_empty() && self.tail.is_empty()
    }

    /// Reads the available content. Pending: the body has no more for now.
    fn poll_gather(
        &mut self,
        output: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ProxyError>> {
        while self.is_sent() && self.framing != Coding::Ended && output.len() < GATHERED {
            ready!(self.poll_piece(output, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads the next piece of the body.
    fn poll_piece(
        &mut self,
        output: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ProxyError>> {
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => self.frame(frame, output),
            Some(Err(error)) => return Poll::Ready(Err(ProxyError::ClientBody(error))),
            None => self.end(None, output),
        }
        .map_err(ProxyError::ClientBody)
        .into()
    }

    fn frame(&mut self, frame: Frame<Bytes>, output: &mut BytesMut) -> Result<(), BodyError> {
        match frame.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => {
                match &mut self.framing {
                    Coding::Sized(left) => {
                        let length = data.len() as u64;
                        let excess = "the request body is longer than Content-Length";
                        *left = left.checked_sub(length).ok_or(excess)?;
                    }
                    Coding::Raw => {}
                    _ => {
                        write!(output.writer(), "{:x}\r\n", data.len())?;
                        self.tail = b"\r\n";
                    }
                }
                if data.len() < SMALL {
                    output.extend_from_slice(&data);
                    output.extend_from_slice(std::mem::take(&mut self.tail));
                } else {
                    self.piece = data;
                }
            }
            Err(frame) => return self.end(frame.into_trailers().ok(), output),
        }
        Ok(())
    }

    fn end(&mut self, trailers: Option<HeaderMap>, out: &mut BytesMut) -> Result<(), BodyError> {
        match std::mem::replace(&mut self.framing, Coding::Ended) {
            Coding::Sized(0) | Coding::Ended => {}
            Coding::Raw => self.half_close = true,
            Coding::Sized(_) => {
                return Err("the request body is shorter than Content-Length".into());
            }
            Coding::Chunked => {
                out.extend_from_slice(b"0\r\n");
                let trailers = trailers.unwrap_or_default();
                let may_trail = trailers.iter().filter(|(name, _)| hop::may_trail(name));
                may_trail.for_each(|(name, value)| {
                    write_field(out, name.as_str(), value.as_bytes());
                });
                out.extend_from_slice(b"\r\n");
            }
        }
        Ok(())
    }

    fn poll_write(&mut self, conn: &mut Conn, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let io = Pin::new(&mut conn.io);
        let sent = if self.is_sent() {
            io.poll_write(cx, &conn.output)
        } else {
            let slices = [&conn.output[..], &self.piece, self.tail].map(IoSlice::new);
            io.poll_write_vectored(cx, &slices)
        };
        let mut written = match ready!(sent)? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => written,
        };
        let count = written.min(conn.output.len());
        conn.output.advance(count);
        written -= count;
        let count = written.min(self.piece.len());
        self.piece.advance(count);
        self.tail = &self.tail[written - count..];
        Poll::Ready(Ok(()))
    }
}

impl Requested {
    fn new(protocol: &HeaderValue, fields: &Fields<'_>, client_verifies: bool) -> Self {
        let key = fields.get(&WEBSOCKET_KEY).filter(|_| upgrade::is_websocket(protocol));
        let accept = key.map(|key| upgrade::websocket_accept(key.as_bytes()));
        Self { protocol: protocol.clone(), accept, client_verifies }
    }

    /// Whether the fields of a 101 match the request (RFC 6455 section 4.1).
    fn granted(&self, fields: &HeaderMap) -> Result<Grant, ProxyError> {
        let protocol = upgrade::protocol(fields);
        let same = |p: &HeaderValue| p.as_bytes().eq_ignore_ascii_case(self.protocol.as_bytes());
        if !protocol.is_some_and(same) {
            return Err(ProxyError::Malformed("101 for another protocol"));
        }
        if self.accept.is_none() || self.accept.as_ref() == fields.get(WEBSOCKET_ACCEPT) {
            return Ok(Grant::Whole);
        }
        match self.client_verifies {
            true => Ok(Grant::WrongAccept),
            false => Err(ProxyError::Malformed(WRONG_ACCEPT)),
        }
    }
}

fn write_head(out: &mut BytesMut, message: &Message<'_>) {
    out.clear();
    if out.capacity() > SMALL {
        // Frees the buffer of a large upload.
        *out = BytesMut::new();
    }
    out.extend_from_slice(message.method.as_str().as_bytes());
    out.put_u8(b' ');
    out.extend_from_slice(message.target.as_str().as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    message.fields.for_each(|name, value| write_field(out, name.as_str(), value.as_bytes()));
    out.extend_from_slice(b"\r\n");
}

fn write_field(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
