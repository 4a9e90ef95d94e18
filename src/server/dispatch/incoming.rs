//! A request body on its way to the chain, limited in size, in silence and in its minimum rate.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::http::body::{TooLarge, TooSlow};
use crate::http::{Body, BodyError};
use crate::limits::MINIMUM_RATE;

/// The limits of a request body.
pub(crate) struct Bounds {
    pub(crate) bytes: Option<u64>,
    /// `timeouts read`: the deadline of the whole request.
    pub(crate) deadline: Option<Instant>,
    /// The longest time without progress in both directions.
    pub(crate) silence: Option<Duration>,
}

/// The time of the response's last progress; empty before it starts.
#[derive(Debug, Default)]
pub(crate) struct Answering(Cell<Option<Instant>>);

/// A request body under its limits.
pub(crate) struct Incoming {
    body: Body,
    bounds: Bounds,
    /// Bytes left of the size limit.
    left: u64,
    /// Whether the minimum rate applies. It does not to content of unknown length, which the client
    /// may generate while it sends.
    paced: bool,
    answering: Rc<Answering>,
    heard: Instant,
    /// Bytes since the window began.
    moved: u64,
    /// Fires at the end of the window or at the deadline.
    window: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    /// Applies the limits to a body and returns the state to update by the response. An empty body
    /// requires neither.
    pub(crate) fn bound(
        body: Body,
        head: &HeaderMap,
        bounds: Bounds,
    ) -> (Body, Option<Rc<Answering>>) {
        if body.is_end_stream() {
            return (body, None);
        }
        let answering = Rc::new(Answering::default());
        let bounded = Self {
            left: bounds.bytes.unwrap_or(u64::MAX),
            paced: body.size_hint().exact().is_some() && !is_grpc(head),
            body,
            bounds,
            answering: answering.clone(),
            heard: Instant::now(),
            moved: 0,
            window: None,
        };
        (Body::new(bounded), Some(answering))
    }

    fn count(&mut self, bytes: u64) -> Result<(), TooLarge> {
        self.moved += bytes;
        self.heard = Instant::now();
        let limit = self.bounds.bytes.unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(bytes).ok_or(TooLarge(limit))?;
        Ok(())
    }

    /// Whether the silent client has exceeded its time.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<TooSlow> {
        loop {
            let Some(end) = self.window_end() else { return Poll::Pending };
            let window = self.window.get_or_insert_with(|| {
                self.moved = 0;
                Box::pin(tokio::time::sleep_until(end))
            });
            ready!(window.as_mut().poll(cx));
            self.window = None;
            if self.is_late(Instant::now()) {
                return Poll::Ready(TooSlow);
            }
        }
    }

    /// When to check the client next, from now.
    fn window_end(&self) -> Option<Instant> {
        let since = if self.is_paced() { Instant::now() } else { self.last_moved() };
        let end = self.bounds.silence.map(|silence| since + silence);
        end.into_iter().chain(self.bounds.deadline).min()
    }

    fn is_late(&self, now: Instant) -> bool {
        if self.bounds.deadline.is_some_and(|at| at <= now) {
            return true;
        }
        let Some(silence) = self.bounds.silence else { return false };
        if self.is_paced() {
            return self.moved < MINIMUM_RATE * silence.as_secs();
        }
        self.last_moved() + silence <= now
    }

    fn is_paced(&self) -> bool {
        self.paced && self.answering.0.get().is_none()
    }

    fn last_moved(&self) -> Instant {
        self.answering.0.get().map_or(self.heard, |at| at.max(self.heard))
    }
}

/// Messages of gRPC calls arrive at any time, even if the length is known.
fn is_grpc(head: &HeaderMap) -> bool {
    head.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

impl Answering {
    /// Updates the limits of the request's body while the response progresses.
    pub(crate) fn watch(self: Rc<Self>, response: Response<Body>) -> Response<Body> {
        self.0.set(Some(Instant::now()));
        if Rc::strong_count(&self) == 1 {
            return response;
        }
        response.map(|body| Body::new(Answer { body, answering: self }))
    }
}

/// A response body with the request body that is still being received.
struct Answer {
    body: Body,
    answering: Rc<Answering>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.answering.0.set(Some(Instant::now()));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    const SILENCE: Duration = Duration::from_millis(200);

    /// A byte after each half of the longest silence, then the end.
    fn drip(bytes: usize) -> Body {
        let frames = stream::iter(0..bytes).then(|_| async {
            tokio::time::sleep(SILENCE / 2).await;
            Ok::<_, BodyError>(Frame::data(Bytes::from_static(b"a")))
        });
        Body::new(StreamBody::new(Box::pin(frames)))
    }

    /// Silence for the given time, then the end.
    fn quiet(time: Duration) -> Body {
        let frames = stream::once(async move {
            tokio::time::sleep(time).await;
            Ok::<_, BodyError>(Frame::data(Bytes::new()))
        });
        Body::new(StreamBody::new(Box::pin(frames)))
    }

    struct Sized(Body, u64);

    impl HttpBody for Sized {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Pin::new(&mut self.0).poll_frame(cx)
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.1)
        }
    }

    fn sized(bytes: u64) -> Body {
        Body::new(Sized(drip(bytes as usize), bytes))
    }

    fn bounds(silence: Option<Duration>) -> Bounds {
        Bounds { bytes: None, deadline: None, silence }
    }

    /// Whether a body can be read to its end.
    async fn lives(body: Body, head: &HeaderMap, silence: Duration) -> bool {
        let (body, _answering) = Incoming::bound(body, head, bounds(Some(silence)));
        body.collect().await.inspect_err(|error| assert!(error.is::<TooSlow>(), "{error}")).is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_a_length_keeps_a_rate_and_a_stream_need_not() {
        let grpc = [(CONTENT_TYPE, "application/grpc+proto".parse().unwrap())];
        let (none, grpc) = (HeaderMap::new(), grpc.into_iter().collect());
        let second = Duration::from_secs(1);
        let (streamed, announced, call, silent) = tokio::join!(
            lives(drip(12), &none, SILENCE),
            lives(sized(15), &none, second),
            lives(sized(15), &grpc, second),
            lives(quiet(SILENCE * 3), &none, SILENCE),
        );
        assert_eq!((streamed, announced, call, silent), (true, false, true, false));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_counts_over_both_directions() {
        let quiet = || quiet(SILENCE * 3);
        let (request, answering) =
            Incoming::bound(quiet(), &HeaderMap::new(), bounds(Some(SILENCE)));
        let answer = answering.unwrap().watch(Response::new(drip(8)));
        let (request, answer) = tokio::join!(request.collect(), answer.into_body().collect());
        assert!(request.is_ok() && answer.is_ok(), "the response moves");
        let (request, answering) =
            Incoming::bound(quiet(), &HeaderMap::new(), bounds(Some(SILENCE)));
        let answer = answering.unwrap().watch(Response::new(quiet()));
        let (request, _) = tokio::join!(request.collect(), answer.into_body().collect());
        assert!(request.is_err(), "neither moves");
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_is_none() {
        let (body, _) = Incoming::bound(quiet(SILENCE * 3), &HeaderMap::new(), bounds(None));
        assert!(body.collect().await.is_ok());
    }
}
