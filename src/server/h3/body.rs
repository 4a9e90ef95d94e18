//! A request body that reads its HTTP/3 stream directly: no task, no channel, no copy.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use h3::error::{Code, StreamError};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::response::{Shared, reset};
use super::transport;
use crate::http::BodyError;

pub(crate) type RequestReader = h3::server::RequestStream<transport::Receive, Bytes>;

/// What the task of a request shares with the body that it has not read to its end.
#[derive(Default)]
pub(crate) struct Unread {
    /// Where the body leaves its stream when it is dropped.
    rest: Cell<Option<RequestReader>>,
    is_answered: Cell<bool>,
    /// Who reads a body that ends short of its Content-Length.
    reader: Cell<Option<Waker>>,
}

impl Unread {
    /// The response begins.
    pub(crate) fn answer(&self) {
        self.is_answered.set(true);
    }

    pub(crate) fn take(&self) -> Option<RequestReader> {
        self.rest.take()
    }
}

impl Drop for Unread {
    /// The response has ended.
    fn drop(&mut self) {
        self.reader.take().into_iter().for_each(Waker::wake);
    }
}

/// The receiving half of a request stream.
pub(crate) struct H3Body {
    /// `None` once it has been left to another task.
    stream: Option<RequestReader>,
    unread: Weak<Unread>,
    /// The sending half, which is reset as well if the request is malformed.
    answer: Shared,
    phase: Phase,
    /// Bytes left of Content-Length.
    promised: Option<u64>,
    /// Content that arrived with the header section.
    first: Option<Frame<Bytes>>,
}

#[derive(PartialEq, Eq)]
enum Phase {
    Data,
    /// The client has ended the stream short of Content-Length, after the response began.
    Short,
    Trailers,
    Done,
}

impl H3Body {
    pub(crate) fn new(stream: RequestReader, answer: Shared, promised: Option<u64>) -> Self {
        let (stream, unread) = (Some(stream), Weak::new());
        Self { stream, unread, answer, phase: Phase::Data, promised, first: None }
    }

    /// What is shared with the request's task; `None` once everything has been read.
    pub(crate) fn unread(&mut self) -> Option<Rc<Unread>> {
        if self.phase == Phase::Done {
            return None;
        }
        let unread = Rc::new(Unread::default());
        self.unread = Rc::downgrade(&unread);
        Some(unread)
    }

    /// Takes what has already arrived, to detect a request without content.
    pub(crate) fn peek(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        if let Poll::Ready(Some(first)) = Pin::new(&mut *self).poll_frame(cx) {
            self.first = Some(first?);
        }
        Ok(())
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.phase == Phase::Short {
            return self.poll_end(cx);
        }
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        let data = match ready!(stream.poll_recv_data(cx)) {
            Ok(Some(mut data)) => data.copy_to_bytes(data.remaining()),
            Ok(None) => return self.poll_end(cx),
            Err(error) => {
                self.phase = Phase::Done;
                return Poll::Ready(Some(Err(error.into())));
            }
        };
        let kept = self.keep_promise(data).map_err(|why| self.malformed(why));
        Poll::Ready(Some(kept))
    }

    /// After the last content. A client may end its upload when a response begins that makes the
    /// rest pointless; curl does so from status 300 on. A reset would cost it the response, so the
    /// upload stays unfinished until that has ended.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.promised.is_none_or(|left| left == 0) {
            self.phase = Phase::Trailers;
            return Poll::Ready(None);
        }
        let unread = self.unread.upgrade().filter(|unread| unread.is_answered.get());
        if let Some(unread) = unread {
            self.phase = Phase::Short;
            unread.reader.set(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        let why = broken_promise();
        if self.phase == Phase::Data {
            return Poll::Ready(Some(Err(self.malformed(why))));
        }
        self.phase = Phase::Done;
        Poll::Ready(Some(Err(why)))
    }

    /// Ends the stream in both directions (RFC 9114 section 4.1.2).
    fn malformed(&mut self, why: BodyError) -> BodyError {
        self.phase = Phase::Done;
        if let Some(stream) = &mut self.stream {
            malformed(&self.answer, stream);
        }
        why
    }

    /// Content-Length and the DATA frames must agree (RFC 9114 section 4.1.2).
    fn keep_promise(&mut self, data: Bytes) -> Result<Bytes, BodyError> {
        if let Some(left) = &mut self.promised {
            *left = left.checked_sub(data.len() as u64).ok_or_else(broken_promise)?;
        }
        Ok(data)
    }
}

/// Ends the stream of a malformed request.
pub(crate) fn malformed(answer: &Shared, stream: &mut RequestReader) {
    reset(answer, Code::H3_MESSAGE_ERROR);
    stream.stop_sending(Code::H3_MESSAGE_ERROR);
}

/// Whether h3 reports a malformed request.
fn is_malformed(error: &StreamError) -> bool {
    matches!(error, StreamError::StreamError { code, .. } if *code == Code::H3_MESSAGE_ERROR)
}

fn broken_promise() -> BodyError {
    "the length of the request body differs from its Content-Length".into()
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
        if matches!(self.phase, Phase::Data | Phase::Short) {
            match self.poll_data(cx) {
                Poll::Ready(None) => {}
                other => return other.map(|data| data.map(|data| data.map(Frame::data))),
            }
        }
        if self.phase == Phase::Trailers {
            let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
            let trailers = ready!(stream.poll_recv_trailers(cx));
            self.phase = Phase::Done;
            return match trailers {
                Ok(Some(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Ok(None) => Poll::Ready(None),
                Err(error) if is_malformed(&error) => {
                    Poll::Ready(Some(Err(self.malformed(error.into()))))
                }
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
        if self.phase != Phase::Done
            && let Some(unread) = self.unread.upgrade()
        {
            unread.rest.set(self.stream.take());
        }
    }
}
