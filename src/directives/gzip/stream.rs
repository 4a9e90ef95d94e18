//! A body that compresses another one while it is streamed. When the source has no more data for
//! now, the output is flushed, so that events and slow pages are not delayed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::Frame;

use super::encoder::{Encoder, Parameters};
use super::fields;
use crate::http::{Body, BodyError};

/// Compressed bytes that are sent as a frame without waiting for more.
const ENOUGH: usize = 16 * 1024;
/// Source bytes passed to the encoder at once.
const BITE: usize = 64 * 1024;
/// Source bytes compressed before other tasks may run.
const TURN: usize = 256 * 1024;

/// The compressed form of a body. Trailers are kept, except digests of the uncompressed content.
pub(super) struct CodedBody {
    source: Body,
    /// The part of the source's last frame that the encoder has not received yet.
    input: Bytes,
    state: State,
    /// Whether the encoder holds bytes that a flush would return.
    is_dirty: bool,
}

enum State {
    Running(Encoder),
    /// The data has been sent, trailers follow.
    Trailers(HeaderMap),
    Done,
}

impl State {
    /// The frame after the data, which may be trailers.
    fn of(mut trailers: HeaderMap) -> Self {
        fields::remove_sums(&mut trailers);
        if trailers.is_empty() { Self::Done } else { Self::Trailers(trailers) }
    }
}

impl CodedBody {
    pub(super) fn new(source: Body, parameters: Parameters) -> Self {
        let encoder = Encoder::new(parameters);
        let input = Bytes::new();
        Self { source, input, state: State::Running(encoder), is_dirty: false }
    }

    /// Ends the compressed data and returns the rest of it.
    fn finish(&mut self, then: State) -> io::Result<Bytes> {
        match std::mem::replace(&mut self.state, then) {
            State::Running(mut encoder) => encoder.finish(),
            State::Trailers(_) | State::Done => Ok(Bytes::new()),
        }
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Result<Poll<Bytes>, BodyError> {
        let mut turn = 0;
        loop {
            let State::Running(encoder) = &mut self.state else {
                return Ok(Poll::Ready(Bytes::new()));
            };
            if self.input.is_empty() {
                match hyper::body::Body::poll_frame(Pin::new(&mut self.source), cx) {
                    Poll::Ready(Some(frame)) => match frame?.into_data() {
                        Ok(data) => self.input = data,
                        Err(frame) => {
                            let trailers = frame.into_trailers().unwrap_or_default();
                            let then = State::of(trailers);
                            return Ok(Poll::Ready(self.finish(then)?));
                        }
                    },
                    Poll::Ready(None) => return Ok(Poll::Ready(self.finish(State::Done)?)),
                    Poll::Pending if self.is_dirty => {
                        self.is_dirty = false;
                        return Ok(Poll::Ready(encoder.flush()?));
                    }
                    Poll::Pending => return Ok(Poll::Pending),
                }
            }
            let bite = self.input.split_to(self.input.len().min(BITE));
            encoder.write(&bite)?;
            self.is_dirty |= !bite.is_empty();
            turn += bite.len();
            if encoder.waiting() >= ENOUGH {
                return Ok(Poll::Ready(encoder.take()));
            }
            if turn >= TURN {
                cx.waker().wake_by_ref();
                return Ok(Poll::Pending);
            }
        }
    }
}

impl hyper::body::Body for CodedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let State::Running(_) = self.state {
            match self.step(cx) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(bytes)) if bytes.is_empty() => {}
                Ok(Poll::Ready(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Err(error) => {
                    self.state = State::Done;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        match std::mem::replace(&mut self.state, State::Done) {
            State::Trailers(fields) => Poll::Ready(Some(Ok(Frame::trailers(fields)))),
            State::Running(_) | State::Done => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Done)
    }
}
