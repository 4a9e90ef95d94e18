//! A request body read straight from its HTTP/3 stream: no task, no channel, no copy.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use h3::error::Code;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::h3_transport::{self, Bounded};
use crate::http::BodyError;

pub(super) type Receive = h3::server::RequestStream<Bounded<h3_transport::Receive>, Bytes>;

/// The receiving half of one request stream.
pub(super) struct H3Body {
    stream: Receive,
    phase: Phase,
    /// Bytes that Content-Length still promises.
    promised: Option<u64>,
    /// What came with the head.
    first: Option<Frame<Bytes>>,
    /// h3's receive half must not be told to stop while a read is pending in it.
    reading: bool,
}

#[derive(PartialEq, Eq)]
enum Phase {
    Data,
    Trailers,
    Done,
}

impl H3Body {
    pub(super) fn new(stream: Receive, promised: Option<u64>) -> Self {
        Self { stream, phase: Phase::Data, promised, first: None, reading: false }
    }

    /// Takes what has already arrived, so that a request without a body is seen as one.
    pub(super) fn peek(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        if let Poll::Ready(Some(first)) = Pin::new(&mut *self).poll_frame(cx) {
            self.first = Some(first?);
        }
        Ok(())
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let polled = match self.stream.poll_recv_data(cx) {
            Poll::Ready(Ok(Some(mut data))) => {
                Poll::Ready(Some(Ok(data.copy_to_bytes(data.remaining()))))
            }
            Poll::Ready(Ok(None)) => Poll::Ready(None),
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            Poll::Pending => Poll::Pending,
        };
        self.reading = polled.is_pending();
        match polled {
            Poll::Ready(Some(Ok(data))) => Poll::Ready(Some(self.keep_promise(data))),
            Poll::Ready(None) => {
                if self.promised.is_some_and(|left| left > 0) {
                    self.phase = Phase::Done;
                    return Poll::Ready(Some(Err(broken_promise())));
                }
                self.phase = Phase::Trailers;
                Poll::Ready(None)
            }
            other => other,
        }
    }

    /// Content-Length and the DATA frames must agree (RFC 9114 section 4.1.2).
    fn keep_promise(&mut self, data: Bytes) -> Result<Bytes, BodyError> {
        if let Some(left) = &mut self.promised {
            *left = left.checked_sub(data.len() as u64).ok_or_else(broken_promise)?;
        }
        Ok(data)
    }
}

fn broken_promise() -> BodyError {
    "the request body is not as long as its Content-Length".into()
}

impl HttpBody for H3Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if self.phase == Phase::Data {
            match self.poll_data(cx) {
                Poll::Ready(None) => {}
                other => return other.map(|data| data.map(|data| data.map(Frame::data))),
            }
        }
        if self.phase == Phase::Trailers {
            let polled = self.stream.poll_recv_trailers(cx);
            self.reading = polled.is_pending();
            let Poll::Ready(trailers) = polled else { return Poll::Pending };
            self.phase = Phase::Done;
            return match trailers {
                Ok(Some(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Ok(None) => Poll::Ready(None),
                Err(error) => Poll::Ready(Some(Err(error.into()))),
            };
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.phase == Phase::Done
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(Frame::data_ref);
        let first = first.map_or(0, |data| data.len() as u64);
        match self.promised {
            Some(left) => SizeHint::with_exact(left + first),
            None if self.phase == Phase::Done => SizeHint::with_exact(first),
            None => SizeHint::default(),
        }
    }
}

impl Drop for H3Body {
    fn drop(&mut self) {
        if self.phase == Phase::Data && !self.reading {
            self.stream.stop_sending(Code::H3_NO_ERROR);
        }
    }
}
