//! One body type for HTTP/1.1, HTTP/2, HTTP/3, upstreams, files and compression. Bodies outlive the
//! chain; [`Body::observe`] runs code at their end.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// Why a body ended early.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The request body exceeds its limit in bytes; becomes 413.
#[derive(Debug, thiserror::Error)]
#[error("request body is larger than {0} bytes")]
pub struct TooLarge(pub u64);

/// The client sent its body too slowly or was idle for too long; becomes 408.
#[derive(Debug, thiserror::Error)]
#[error("the client sent the request body too slowly")]
pub struct TooSlow;

/// The status for a request whose body could not be read completely, from the error or its causes.
pub fn refusal(error: &(dyn std::error::Error + 'static)) -> StatusCode {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<TooLarge>() {
            return StatusCode::PAYLOAD_TOO_LARGE;
        }
        if error.is::<TooSlow>() {
            return StatusCode::REQUEST_TIMEOUT;
        }
        cause = error.source();
    }
    StatusCode::BAD_REQUEST
}

type Dynamic = Pin<Box<dyn HttpBody<Data = Bytes, Error = BodyError>>>;

/// A stream of DATA and trailers. It stays on its worker, hence it need not be `Send`.
#[derive(Default)]
pub struct Body(Inner);

#[derive(Default)]
enum Inner {
    #[default]
    Empty,
    Once(Bytes),
    Incoming(hyper::body::Incoming),
    Dynamic(Dynamic),
}

impl Body {
    /// An empty body.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A body with a source of its own type: a file, a compressor, an upstream connection.
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + 'static,
        B::Error: Into<BodyError>,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        use http_body_util::BodyExt;
        Self(Inner::Dynamic(Box::pin(body.map_err(Into::into))))
    }

    /// Calls `on_end` once: after the last frame, when the body fails, or when it is dropped early
    /// (the client disconnected).
    pub fn observe(self, on_end: impl FnOnce(u64) + Unpin + 'static) -> Self {
        let mut observed = Observed { body: self, seen: 0, on_end: Some(on_end) };
        if observed.body.is_end_stream() {
            observed.fire();
            return Self::empty();
        }
        Self(Inner::Dynamic(Box::pin(observed)))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("size_hint", &self.size_hint()).finish()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::empty() } else { Self(Inner::Once(bytes)) }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<hyper::body::Incoming> for Body {
    fn from(body: hyper::body::Incoming) -> Self {
        if body.is_end_stream() { Self::empty() } else { Self(Inner::Incoming(body)) }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Inner::Empty => Poll::Ready(None),
            Inner::Once(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Inner::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Inner::Incoming(body) => {
                Pin::new(body).poll_frame(cx).map(|f| f.map(|f| f.map_err(Into::into)))
            }
            Inner::Dynamic(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Once(_) => false,
            Inner::Incoming(body) => body.is_end_stream(),
            Inner::Dynamic(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Once(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Incoming(body) => body.size_hint(),
            Inner::Dynamic(body) => body.size_hint(),
        }
    }
}

struct Observed<F: FnOnce(u64)> {
    body: Body,
    seen: u64,
    on_end: Option<F>,
}

impl<F: FnOnce(u64)> Observed<F> {
    fn fire(&mut self) {
        if let Some(on_end) = self.on_end.take() {
            on_end(self.seen);
        }
    }
}

impl<F: FnOnce(u64) + Unpin> HttpBody for Observed<F> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.seen += frame.data_ref().map_or(0, |data| data.len() as u64);
                if self.body.is_end_stream() {
                    self.fire();
                }
            }
            Poll::Ready(Some(Err(_))) => self.fire(),
            Poll::Ready(None) => self.fire(),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<F: FnOnce(u64)> Drop for Observed<F> {
    fn drop(&mut self) {
        self.fire();
    }
}
