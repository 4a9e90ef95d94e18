//! Sends a request to a responder: the parameters, then the body, as the client delivers it and the
//! socket accepts it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use hyper::body::Body as HttpBody;
use tokio::io::AsyncWrite;

use super::conn::Conn;
use super::error::FastCgiError;
use super::record::{self, Stream};
use crate::http::{Body, BodyError};

/// Bytes collected before they are sent although more are available.
const GATHERED: usize = 64 * 1024;

/// The part of a request that has not been sent yet.
#[derive(Debug)]
pub(super) struct Upload {
    body: Body,
    /// Bytes left of CONTENT_LENGTH.
    left: u64,
    ended: bool,
}

/// What an upload waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    /// Everything has been sent.
    Done,
    Client,
    Responder,
}

impl Upload {
    /// Writes everything except the body into the connection's output; nothing is sent yet.
    pub(super) fn start(
        conn: &mut Conn,
        keep: bool,
        params: &[u8],
        body: Body,
        length: u64,
    ) -> Self {
        conn.output.clear();
        record::begin(&mut conn.output, keep);
        record::write(&mut conn.output, Stream::Params, params);
        record::end(&mut conn.output, Stream::Params);
        Self { body, left: length, ended: false }
    }

    /// Sends what can be sent without waiting.
    pub(super) fn poll(
        &mut self,
        conn: &mut Conn,
        cx: &mut Context<'_>,
    ) -> Result<Waits, FastCgiError> {
        loop {
            let waits = self.poll_gather(&mut conn.output, cx)?.is_pending();
            if conn.output.is_empty() {
                return Ok(if waits { Waits::Client } else { Waits::Done });
            }
            match Pin::new(&mut conn.io).poll_write(cx, &conn.output) {
                Poll::Pending => return Ok(Waits::Responder),
                Poll::Ready(Ok(0)) => {
                    return Err(FastCgiError::Broken(io::ErrorKind::WriteZero.into()));
                }
                Poll::Ready(Ok(count)) => conn.output.advance(count),
                Poll::Ready(Err(error)) => return Err(FastCgiError::Broken(error)),
            }
            conn.patience.moved();
        }
    }

    /// Takes available bytes from the body. Pending: more bytes follow later.
    fn poll_gather(
        &mut self,
        output: &mut BytesMut,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), FastCgiError>> {
        while !self.ended && output.len() < GATHERED {
            let taken = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.data(&data, output),
                    // CGI does not support trailers.
                    Err(_) => self.end(output),
                },
                Some(Err(error)) => Err(error),
                None => self.end(output),
            };
            taken.map_err(FastCgiError::ClientBody)?;
        }
        Poll::Ready(Ok(()))
    }

    fn data(&mut self, data: &Bytes, output: &mut BytesMut) -> Result<(), BodyError> {
        let left = self.left.checked_sub(data.len() as u64);
        self.left = left.ok_or("the request body is longer than Content-Length")?;
        record::write(output, Stream::Stdin, data);
        Ok(())
    }

    fn end(&mut self, output: &mut BytesMut) -> Result<(), BodyError> {
        if self.left > 0 {
            return Err("the request body is shorter than Content-Length".into());
        }
        self.ended = true;
        record::end(output, Stream::Stdin);
        Ok(())
    }
}
