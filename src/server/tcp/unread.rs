//! Reads what an HTTP/2 client still sends when its response is complete. A stream that is dropped
//! before the client has ended it is reset (NO_ERROR, RFC 9113 section 8.1), and some clients treat
//! a reset beside the response as a failure. So the rest is read for a limited time first, as nginx
//! does at the end of a connection.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, timeout_at};

use super::stall::Stall;
use crate::http::{Body, BodyError};
use crate::limits::{UNREAD_BYTES, UNREAD_SILENCE, UNREAD_TIME};

/// Limits in bytes and time of content that is read after the response.
pub(crate) struct Bounds {
    bytes: u64,
    time: Duration,
    silence: Duration,
}

pub(crate) const BOUNDS: Bounds =
    Bounds { bytes: UNREAD_BYTES, time: UNREAD_TIME, silence: UNREAD_SILENCE };

/// Wraps a body whose rest is left in `stall` if it is dropped before its end.
pub(crate) fn hold(stall: Rc<Stall>, body: Body) -> Body {
    Body::new(Held { body, stall })
}

/// Reads the rest of the request after the response is complete, within limits.
pub(crate) async fn drain(stall: &Rc<Stall>, bounds: &Bounds) {
    // A handler's task may still read the content.
    if !stall.unread.is_here() && !is_held(stall) {
        return;
    }
    Box::pin(async {
        let (mut left, end) = (bounds.bytes, Instant::now() + bounds.time);
        loop {
            let due = end.min(Instant::now() + bounds.silence);
            match timeout_at(due, poll_fn(|cx| poll_bytes(stall, cx))).await {
                Ok(Some(bytes)) if bytes < left => left -= bytes,
                _ => return,
            }
        }
    })
    .await;
}

fn is_held(stall: &Rc<Stall>) -> bool {
    Rc::strong_count(stall) > 1
}

fn poll_bytes(stall: &Rc<Stall>, cx: &mut Context<'_>) -> Poll<Option<u64>> {
    let Some(mut body) = stall.unread.rest.take() else {
        stall.unread.waiter.set(Some(cx.waker().clone()));
        return if is_held(stall) { Poll::Pending } else { Poll::Ready(None) };
    };
    let polled = Pin::new(&mut body).poll_frame(cx);
    stall.unread.rest.set(Some(body));
    Poll::Ready(match ready!(polled) {
        Some(Ok(frame)) => Some(frame.data_ref().map_or(0, |data| data.len() as u64)),
        _ => None,
    })
}

/// The content of a request, whoever owns it.
struct Held {
    body: Body,
    stall: Rc<Stall>,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.body.is_end_stream() {
            self.stall.unread.rest.set(Some(std::mem::take(&mut self.body)));
        }
        self.stall.unread.waiter.take().into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body_util::StreamBody;

    use super::*;

    const SILENCE: Duration = Duration::from_millis(100);

    fn bounds(bytes: u64) -> Bounds {
        Bounds { bytes, time: SILENCE * 4, silence: SILENCE }
    }

    /// Frames of four bytes, each after a delay, then silence without an end.
    fn late(frames: usize, each: Duration) -> Body {
        let frames = stream::iter(0..frames).then(move |_| async move {
            tokio::time::sleep(each).await;
            Ok::<_, BodyError>(Frame::data(Bytes::from_static(b"late")))
        });
        Body::new(StreamBody::new(Box::pin(frames.chain(stream::pending()))))
    }

    /// Milliseconds for which the rest of a dropped body is read.
    async fn drained(body: Body, most: u64) -> u128 {
        let stall = Rc::new(Stall::default());
        drop(hold(stall.clone(), body));
        let began = Instant::now();
        drain(&stall, &bounds(most)).await;
        began.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_is_taken_in_within_bounds() {
        let moment = Duration::from_millis(1);
        assert!(drained(late(0, moment), 10).await >= 100, "silence");
        assert!(drained(late(3, moment), 10).await < 100, "too many bytes");
        assert!(drained(late(1_000, SILENCE / 2), 1_000).await >= 400, "a drip");
        assert!(drained(Body::empty(), 10).await < 50, "nothing is owed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_in_other_hands_is_waited_for() {
        let stall = Rc::new(Stall::default());
        let held = hold(stall.clone(), late(3, Duration::from_millis(1)));
        let began = Instant::now();
        let reader = async {
            tokio::time::sleep(SILENCE / 2).await;
            drop(held);
        };
        let bounds = bounds(100);
        tokio::join!(drain(&stall, &bounds), reader);
        assert!(began.elapsed() >= SILENCE / 2);
    }
}
