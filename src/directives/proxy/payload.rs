//! A request's body on its way upstream: streamed, or kept so that it can be sent again.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

use super::error::ProxyError;
use crate::http::{Body, BodyError};

/// The largest body kept for another attempt.
const KEPT: u64 = 1024 * 1024;

/// What an attempt may send.
#[derive(Debug)]
pub(super) enum Payload {
    Empty,
    Kept(Bytes),
    /// Can be sent once; `None` when it has been.
    Stream(Option<Body>),
}

impl Payload {
    pub(super) fn new(body: Body) -> Self {
        if body.is_end_stream() { Self::Empty } else { Self::Stream(Some(body)) }
    }

    /// Reads the body into memory if it is small enough and ends without trailers.
    pub(super) async fn keep(body: Body) -> Result<Self, ProxyError> {
        if body.size_hint().lower() > KEPT {
            return Ok(Self::new(body));
        }
        let mut rest = body;
        let mut frames: VecDeque<Frame<Bytes>> = VecDeque::new();
        let mut size = 0;
        while let Some(frame) = rest.frame().await {
            let frame = frame.map_err(ProxyError::ClientBody)?;
            size += frame.data_ref().map_or(0, |data| data.len() as u64);
            let whole = frame.is_data() && size <= KEPT;
            frames.push_back(frame);
            if !whole {
                return Ok(Self::Stream(Some(Body::new(Prefixed { frames, rest }))));
            }
        }
        let mut all = Vec::with_capacity(size as usize);
        frames.iter().filter_map(Frame::data_ref).for_each(|data| all.extend_from_slice(data));
        Ok(if all.is_empty() { Self::Empty } else { Self::Kept(all.into()) })
    }

    /// Whether the body can be sent although it has been sent before.
    pub(super) fn repeatable(&self) -> bool {
        matches!(self, Self::Empty | Self::Kept(_))
    }

    /// Whether there is anything left to send, or nothing was there to begin with.
    pub(super) fn available(&self) -> bool {
        !matches!(self, Self::Stream(None))
    }

    /// Takes a body back of which nothing was sent.
    pub(super) fn give_back(&mut self, body: Body) {
        if let Self::Stream(place @ None) = self {
            *place = Some(body);
        }
    }

    /// The body for one attempt.
    pub(super) fn take(&mut self) -> Body {
        match self {
            Self::Empty => Body::empty(),
            Self::Kept(bytes) => Body::from(bytes.clone()),
            Self::Stream(body) => body.take().unwrap_or_default(),
        }
    }
}

/// Frames already read, then the rest.
struct Prefixed {
    frames: VecDeque<Frame<Bytes>>,
    rest: Body,
}

impl HttpBody for Prefixed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let read: u64 =
            self.frames.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(read + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(read + upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn whole(payload: &mut Payload) -> usize {
        payload.take().collect().await.unwrap().to_bytes().len()
    }

    #[tokio::test]
    async fn small_bodies_are_kept_and_large_ones_pass() {
        let mut small = Payload::keep(Body::from("abc".to_owned())).await.unwrap();
        assert!(small.repeatable());
        assert_eq!((whole(&mut small).await, whole(&mut small).await), (3, 3));

        let size = KEPT as usize + 1;
        let parts = vec![
            Ok::<_, BodyError>(Frame::data(Bytes::from(vec![b'x'; size - 1]))),
            Ok(Frame::data(Bytes::from_static(b"y"))),
        ];
        let unsized_body = http_body_util::StreamBody::new(futures_util::stream::iter(parts));
        let mut large = Payload::keep(Body::new(unsized_body)).await.unwrap();
        assert!(!large.repeatable() && large.available());
        assert_eq!(whole(&mut large).await, size);
        assert!(!large.available());
        assert!(Payload::keep(Body::empty()).await.unwrap().repeatable());
    }
}
