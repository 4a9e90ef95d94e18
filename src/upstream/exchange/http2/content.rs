//! The body of a response, which holds its place on the connection. What the client has received
//! becomes room in the upstream's window.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

use super::gate::Place;
use super::upload::trailers_of;
use crate::http::BodyError;
use crate::upstream::Patience;
use crate::upstream::host::error::ProxyError;
use crate::upstream::host::upstream::Slot;

pub(super) struct Content {
    pub(super) stream: RecvStream,
    /// All DATA were received.
    pub(super) is_read: bool,
    /// What is left of Content-Length.
    pub(super) left: Option<u64>,
    /// The request body made progress since the last check.
    pub(super) moved: Rc<Cell<bool>>,
    pub(super) patience: Patience,
    /// The idle timeout.
    pub(super) silence: Duration,
    pub(super) place: Place,
    pub(super) _slot: Slot,
}

impl Content {
    fn poll_content(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.is_read {
            // A reset, with NO_ERROR too, is an error here only before the end of the response.
            if let Some(piece) = ready!(self.stream.poll_data(cx)) {
                return Poll::Ready(Some(piece.map(|piece| self.take(piece))));
            }
            self.is_read = true;
        }
        let trailers = ready!(self.stream.poll_trailers(cx));
        let trailers = trailers.map(|trailers| trailers.as_ref().map(trailers_of));
        Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)).transpose())
    }

    fn take(&mut self, piece: Bytes) -> Frame<Bytes> {
        let now = Instant::now();
        self.patience.moved_at(now);
        // It cannot be more than was received.
        let _ = self.stream.flow_control().release_capacity(piece.len());
        self.place.drained(piece.len(), now);
        self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
        Frame::data(piece)
    }
}

impl HttpBody for Content {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = this.poll_content(cx) {
            let failed = |error| this.place.broke(error).into();
            return Poll::Ready(frame.map(|frame| frame.map_err(failed)));
        }
        // The timer restarts while the request body makes progress.
        if this.moved.take() {
            this.patience.moved();
        }
        let late = this.patience.poll(this.silence, cx);
        late.map(|()| Some(Err(ProxyError::BodyIdle.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left),
            None if self.is_end_stream() => SizeHint::with_exact(0),
            None => SizeHint::default(),
        }
    }
}
