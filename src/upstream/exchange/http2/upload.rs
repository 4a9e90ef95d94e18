//! Sends the body of a request.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderMap;
use hyper::body::Body as HttpBody;

use crate::http::{Body, BodyError, hop};

pub(super) struct Upload {
    stream: SendStream<Bytes>,
    body: Body,
    /// Waits for room in the upstream's window.
    piece: Option<Bytes>,
    /// It made progress since the last check.
    moved: Rc<Cell<bool>>,
}

impl Upload {
    pub(super) fn new(stream: SendStream<Bytes>, body: Body, moved: Rc<Cell<bool>>) -> Self {
        Self { stream, body, piece: None, moved }
    }

    /// Sends as much as possible. Ready when the body is sent, or the upstream takes no more: the
    /// response says why. Only a failure on the client's side is an error.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        // Also wakes the task when the upstream resets the stream.
        while self.stream.poll_reset(cx).is_pending() {
            let goes_on = match self.piece.is_some() {
                true => ready!(self.poll_piece(cx)),
                false => ready!(self.poll_body(cx))?,
            };
            if !goes_on {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Returns whether the upload goes on.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        while self.stream.capacity() == 0 {
            let Some(Ok(_)) = ready!(self.stream.poll_capacity(cx)) else {
                return Poll::Ready(false);
            };
        }
        let ends = self.body.is_end_stream();
        let piece = self.piece.take().unwrap_or_default();
        Poll::Ready(self.stream.send_data(piece, ends).is_ok() && !ends)
    }

    /// Returns whether the upload goes on.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, BodyError>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.moved.set(true);
        let Some(frame) = frame else {
            // An error is that of the stream, as below.
            let _ = self.stream.send_data(Bytes::new(), true);
            return Poll::Ready(Ok(false));
        };
        let frame = frame.inspect_err(|_| self.stream.send_reset(Reason::CANCEL))?;
        Poll::Ready(Ok(match frame.into_data() {
            Ok(piece) if piece.is_empty() => true,
            Ok(piece) => {
                // More is requested when the piece is sent: what one stream reserves, others miss.
                self.stream.reserve_capacity(1);
                self.piece = Some(piece);
                true
            }
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                let _ = self.stream.send_trailers(trailers_of(&trailers));
                false
            }
        }))
    }
}

/// Trailer fields without those that are not allowed.
pub(super) fn trailers_of(fields: &HeaderMap) -> HeaderMap {
    let kept = fields.iter().filter(|(name, _)| hop::may_trail(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}
