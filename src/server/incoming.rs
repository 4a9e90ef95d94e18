//! A request body on its way to the chain: bounded in bytes, in silence, and in slowness.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::http::body::TooLarge;
use crate::http::limits::{BODY_IDLE, MINIMUM_RATE};
use crate::http::{Body, BodyError};

/// One request's body under its limits.
pub(super) struct Incoming {
    body: Body,
    /// The limit and what is left of it.
    limit: Option<(u64, u64)>,
    /// `timeouts read`: the end of the whole request.
    deadline: Option<Instant>,
    /// Bytes since the window opened.
    moved: u64,
    /// Fires at the end of the window, or at the deadline.
    window: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    /// Puts a body under limits; an empty one needs none.
    pub(super) fn bound(body: Body, limit: Option<u64>, deadline: Option<Instant>) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let limit = limit.map(|bytes| (bytes, bytes));
        Body::new(Self { body, limit, deadline, moved: 0, window: None })
    }

    fn count(&mut self, bytes: u64) -> Result<(), TooLarge> {
        self.moved += bytes;
        if let Some((limit, left)) = &mut self.limit {
            *left = left.checked_sub(bytes).ok_or(TooLarge(*limit))?;
        }
        Ok(())
    }

    /// While the client is silent: whether its time is up.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let deadline = self.deadline;
        loop {
            let window = self.window.get_or_insert_with(|| {
                self.moved = 0;
                let end = Instant::now() + BODY_IDLE;
                Box::pin(tokio::time::sleep_until(deadline.map_or(end, |at| at.min(end))))
            });
            if window.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let late = deadline.is_some_and(|at| at <= Instant::now());
            if late || self.moved < MINIMUM_RATE * BODY_IDLE.as_secs() {
                let slow = "the client sent its body too slowly";
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, slow));
            }
            self.window = None;
        }
    }
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                if let Err(too_large) = self.count(bytes) {
                    return Poll::Ready(Some(Err(too_large.into())));
                }
                polled
            }
            Poll::Pending => self.poll_patience(cx).map(|error| Some(Err(error.into()))),
            _ => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
