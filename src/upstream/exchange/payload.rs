//! The body of a request to an upstream: streamed, and recorded if a retry may need it.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::http::{Body, BodyError};
use crate::limits::RETRY_BODY;

/// The body for the attempts of a request.
#[derive(Debug)]
pub(crate) enum Payload {
    Empty,
    /// Can be sent once; `None` after that.
    Stream(Option<Body>),
    /// Can be sent again while everything that was read is recorded.
    Kept(Keeper),
}

impl Payload {
    pub(crate) fn new(body: Body) -> Self {
        if body.is_end_stream() { Self::Empty } else { Self::Stream(Some(body)) }
    }

    /// Records the body, unless it is known to be larger than [`RETRY_BODY`].
    pub(crate) fn keep(body: Body) -> Self {
        if body.is_end_stream() || body.size_hint().lower() > RETRY_BODY {
            return Self::new(body);
        }
        Self::Kept(Keeper { passed: Rc::new(RefCell::new(Passed::new(body))), taken: false })
    }

    /// Whether the body can be sent again.
    pub(crate) fn repeatable(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(_) => false,
            Self::Kept(keeper) => !keeper.passed.borrow().lost,
        }
    }

    /// Whether the body can still be sent, or is empty.
    pub(crate) fn available(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(body) => body.is_some(),
            Self::Kept(keeper) => !keeper.taken || !keeper.passed.borrow().lost,
        }
    }

    /// Returns a body of which nothing was sent.
    pub(crate) fn give_back(&mut self, body: Body) {
        if let Self::Stream(place @ None) = self {
            *place = Some(body);
        }
    }

    /// The body for one attempt.
    pub(crate) fn take(&mut self) -> Body {
        match self {
            Self::Empty => Body::empty(),
            Self::Stream(body) => body.take().unwrap_or_default(),
            Self::Kept(keeper) => {
                keeper.taken = true;
                Body::new(Replay { passed: keeper.passed.clone(), at: 0, sent: 0 })
            }
        }
    }

    /// Stops recording, after an upstream has responded.
    pub(crate) fn settle(&self) {
        if let Self::Kept(keeper) = self {
            keeper.passed.borrow_mut().lose();
        }
    }
}

#[derive(Debug)]
pub(crate) struct Keeper {
    passed: Rc<RefCell<Passed>>,
    taken: bool,
}

/// The recorded part of a body, and the rest.
#[derive(Debug)]
struct Passed {
    pieces: Vec<Piece>,
    size: u64,
    /// The record is incomplete.
    lost: bool,
    whole: SizeHint,
    rest: Body,
}

#[derive(Debug, Clone)]
enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Passed {
    fn new(rest: Body) -> Self {
        Self { pieces: Vec::new(), size: 0, lost: false, whole: rest.size_hint(), rest }
    }

    fn lose(&mut self) {
        self.lost = true;
        self.pieces = Vec::new();
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        let piece = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => Piece::Data(data.clone()),
            (None, Some(trailers)) => Piece::Trailers(trailers.clone()),
            (None, None) => return,
        };
        self.size += frame.data_ref().map_or(0, |data| data.len() as u64);
        self.pieces.push(piece);
        if self.size > RETRY_BODY {
            self.lose();
        }
    }
}

/// The body from its beginning. Only the latest replay of a body is read.
struct Replay {
    passed: Rc<RefCell<Passed>>,
    at: usize,
    sent: u64,
}

impl Replay {
    fn next(
        &mut self,
        passed: &mut Passed,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(piece) = passed.pieces.get(self.at) {
            self.at += 1;
            return Poll::Ready(Some(Ok(match piece.clone() {
                Piece::Data(data) => Frame::data(data),
                Piece::Trailers(trailers) => Frame::trailers(trailers),
            })));
        }
        let polled = ready!(Pin::new(&mut passed.rest).poll_frame(cx));
        match &polled {
            Some(Ok(frame)) if !passed.lost => {
                passed.keep(frame);
                self.at = passed.pieces.len();
            }
            Some(Err(_)) => passed.lose(),
            _ => {}
        }
        Poll::Ready(polled)
    }
}

impl HttpBody for Replay {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let passed = self.passed.clone();
        let mut passed = passed.borrow_mut();
        let polled = self.next(&mut passed, cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let passed = self.passed.borrow();
        self.at >= passed.pieces.len() && passed.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let passed = self.passed.borrow();
        let mut hint = SizeHint::new();
        hint.set_lower(passed.whole.lower().saturating_sub(self.sent));
        if let Some(upper) = passed.whole.upper() {
            hint.set_upper(upper.saturating_sub(self.sent));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    fn body(parts: &[usize]) -> Body {
        let frames =
            parts.iter().map(|size| Ok::<_, BodyError>(Frame::data(vec![b'x'; *size].into())));
        let frames: Vec<_> = frames.collect();
        Body::new(StreamBody::new(futures_util::stream::iter(frames)))
    }

    async fn whole(payload: &mut Payload) -> usize {
        payload.take().collect().await.unwrap().to_bytes().len()
    }

    #[tokio::test]
    async fn what_has_passed_is_sent_again_before_the_rest() {
        let mut payload = Payload::keep(body(&[3, 4, 5]));
        let mut first = payload.take();
        assert_eq!(first.frame().await.unwrap().unwrap().into_data().unwrap().len(), 3);
        drop(first);
        assert!(payload.repeatable() && payload.available());
        assert_eq!((whole(&mut payload).await, whole(&mut payload).await), (12, 12));
    }

    #[tokio::test]
    async fn a_body_is_kept_up_to_its_limit() {
        let limit = RETRY_BODY as usize;
        for (last, kept) in [(1, true), (2, false)] {
            let mut payload = Payload::keep(body(&[limit - 1, last]));
            assert_eq!(whole(&mut payload).await, limit - 1 + last);
            assert_eq!((payload.repeatable(), payload.available()), (kept, kept));
        }
        let known = Payload::keep(Body::from(Bytes::from(vec![b'x'; limit + 1])));
        assert!(!known.repeatable() && known.available());
    }

    #[tokio::test]
    async fn trailers_and_sizes_pass_each_time() {
        let mut payload = Payload::keep(Body::from("abc".to_owned()));
        for _ in 0..2 {
            assert_eq!(payload.take().size_hint().exact(), Some(3));
            assert_eq!(whole(&mut payload).await, 3);
        }
        payload.settle();
        assert!(!payload.repeatable() && !payload.available());
        let mut trailers = HeaderMap::new();
        trailers.insert("x", http::HeaderValue::from_static("y"));
        let frames = vec![Ok::<_, BodyError>(Frame::trailers(trailers))];
        let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
        let mut payload = Payload::keep(body);
        for _ in 0..2 {
            assert_eq!(payload.take().collect().await.unwrap().trailers().unwrap()["x"], "y");
        }
        assert!(Payload::keep(Body::empty()).repeatable());
    }
}
