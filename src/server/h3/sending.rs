//! The streams that h3 itself writes to: its own, and those of requests before the response.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::quic::{self, StreamErrorIncoming, StreamId, WriteBuf};

use super::close::var_int;
use super::errors::write_error;
use super::response::Shared;

/// The sending half of a request stream, or a stream of our own.
pub(crate) struct Send {
    pub(super) stream: Shared,
    id: StreamId,
    writing: Option<WriteBuf<Bytes>>,
}

impl Send {
    pub(super) fn new(stream: Shared, id: StreamId) -> Self {
        Self { stream, id, writing: None }
    }
}

impl quic::SendStream<Bytes> for Send {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        if let Some(data) = &mut self.writing {
            while data.has_remaining() {
                let mut stream = self.stream.borrow_mut();
                let written = Pin::new(&mut *stream).poll_write(cx, data.chunk());
                data.advance(ready!(written).map_err(write_error)?);
            }
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        if self.writing.is_some() {
            return Err(StreamErrorIncoming::Unknown("a write before the last one ended".into()));
        }
        self.writing = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        let finished = self.stream.borrow_mut().finish();
        Poll::Ready(finished.map_err(|error| StreamErrorIncoming::Unknown(error.into())))
    }

    fn reset(&mut self, code: u64) {
        // An error means that the stream has ended already.
        let _ = self.stream.borrow_mut().reset(var_int(code));
    }

    fn send_id(&self) -> StreamId {
        self.id
    }
}
