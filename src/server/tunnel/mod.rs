//! A connection or stream that has left HTTP: bytes in both directions, with a limit on silence,
//! closed properly when the process stops. The same code serves all protocols.

pub(crate) mod switch;
pub(crate) mod wire;
pub(crate) mod ws_frames;

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use hyper::body::{Body as HttpBody, Frame};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use self::ws_frames::{Frames, going_away};
use crate::http::{Body, BodyError, upgrade};
use crate::limits::TUNNEL_IDLE;

/// The state that both directions share.
pub(crate) struct Tunnel {
    /// The time of the last byte in either direction.
    moved: Cell<Instant>,
    /// Cancelled when tunnels must end.
    parting: CancellationToken,
    /// The longest silence of both directions.
    idle: Duration,
    is_websocket: bool,
}

impl Tunnel {
    pub(crate) fn new(protocol: &HeaderValue, parting: &CancellationToken) -> Rc<Self> {
        Self::patient_for(TUNNEL_IDLE, protocol, parting)
    }

    fn patient_for(
        idle: Duration,
        protocol: &HeaderValue,
        parting: &CancellationToken,
    ) -> Rc<Self> {
        Rc::new(Self {
            moved: Cell::new(Instant::now()),
            parting: parting.clone(),
            idle,
            is_websocket: upgrade::is_websocket(protocol),
        })
    }

    /// The client's bytes.
    pub(crate) fn inward(self: &Rc<Self>, body: Body) -> Body {
        Body::new(Half::new(self, body, Direction::Inward))
    }

    /// The bytes for the client.
    pub(crate) fn outward(self: &Rc<Self>, body: Body) -> Body {
        Body::new(Half::new(self, body, Direction::Outward))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Inward,
    Outward,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The Close frame has been sent.
    Parting,
    Ended,
}

/// One direction.
struct Half {
    tunnel: Rc<Tunnel>,
    body: Body,
    direction: Direction,
    frames: Frames,
    phase: Phase,
    parting: Pin<Box<WaitForCancellationFutureOwned>>,
    idle: Pin<Box<Sleep>>,
}

impl Half {
    fn new(tunnel: &Rc<Tunnel>, body: Body, direction: Direction) -> Self {
        tunnel.moved.set(Instant::now());
        Self {
            tunnel: tunnel.clone(),
            body,
            direction,
            frames: Frames::default(),
            phase: Phase::Open,
            parting: Box::pin(tunnel.parting.clone().cancelled_owned()),
            idle: Box::pin(tokio::time::sleep_until(tunnel.moved.get() + tunnel.idle)),
        }
    }

    fn passed(&mut self, bytes: &[u8]) {
        self.tunnel.moved.set(Instant::now());
        if self.tunnel.is_websocket {
            self.frames.pass(bytes);
        }
    }

    /// Ready when this direction must end: the process stops, or the tunnel is idle for too long.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.parting.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            if self.idle.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let due = self.tunnel.moved.get() + self.tunnel.idle;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.idle.as_mut().reset(due);
        }
    }

    /// Ends the direction if it is between two frames.
    fn part(&mut self) -> Poll<Option<Bytes>> {
        if !self.tunnel.is_websocket || self.frames.is_closed() {
            self.phase = Phase::Ended;
            return Poll::Ready(None);
        }
        if !self.frames.is_between() {
            return Poll::Pending;
        }
        self.phase = Phase::Parting;
        Poll::Ready(Some(going_away(self.direction == Direction::Inward)))
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        match self.phase {
            Phase::Open => {}
            Phase::Parting => {
                // The other direction is owned by the handler's body, which sends its own Close
                // frame.
                let _ = Pin::new(&mut self.body).poll_frame(cx);
                self.phase = Phase::Ended;
                return Poll::Ready(None);
            }
            Phase::Ended => return Poll::Ready(None),
        }
        if self.tunnel.parting.is_cancelled()
            && let Poll::Ready(last) = self.part()
        {
            return Poll::Ready(last.map(Ok));
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.into_data().unwrap_or_default();
                self.passed(&bytes);
                Poll::Ready(Some(Ok(bytes)))
            }
            Poll::Ready(end) => {
                self.phase = Phase::Ended;
                Poll::Ready(end.and_then(Result::err).map(Err))
            }
            Poll::Pending => match self.poll_end(cx) {
                Poll::Ready(()) => self.part().map(|last| last.map(Ok)),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

impl HttpBody for Half {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.poll_bytes(cx).map(|bytes| bytes.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.phase == Phase::Ended
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};
    use tokio::sync::mpsc;

    use super::*;

    const IDLE: Duration = Duration::from_millis(300);

    fn local<F: Future>(story: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(story)
    }

    fn websocket(parting: &CancellationToken) -> Rc<Tunnel> {
        Tunnel::patient_for(IDLE, &HeaderValue::from_static("websocket"), parting)
    }

    /// A body and its sender; the body is open and silent until something is sent.
    fn channel() -> (mpsc::Sender<&'static [u8]>, Body) {
        let (send, receive) = mpsc::channel(4);
        let frames = stream::unfold(receive, |mut receive| async {
            let bytes = receive.recv().await?;
            Some((Ok::<_, BodyError>(Frame::data(Bytes::from_static(bytes))), receive))
        });
        (send, Body::new(StreamBody::new(Box::pin(frames))))
    }

    async fn next(body: &mut Body) -> Option<Bytes> {
        body.frame().await.map(|frame| frame.unwrap().into_data().unwrap())
    }

    #[test]
    fn silence_both_ways_ends_a_tunnel() {
        local(async {
            let tunnel = websocket(&CancellationToken::new());
            let ((send, moving), (_silent, still)) = (channel(), channel());
            let (mut inward, mut outward) = (tunnel.inward(moving), tunnel.outward(still));
            let started = Instant::now();
            for _ in 0..4 {
                tokio::time::sleep(IDLE / 2).await;
                send.send(b"\x81\x01a").await.unwrap();
                assert_eq!(next(&mut inward).await.unwrap().len(), 3);
            }
            assert_eq!(next(&mut outward).await.unwrap(), b"\x88\x02\x03\xe9"[..]);
            assert!(started.elapsed() >= IDLE * 3, "while the other direction moves, none ends");
            assert_eq!(next(&mut outward).await, None);
        });
    }

    #[test]
    fn the_goodbye_waits_for_the_end_of_a_frame() {
        local(async {
            let parting = CancellationToken::new();
            let (send, body) = channel();
            let mut outward = websocket(&parting).outward(body);
            send.send(b"\x81\x03a").await.unwrap();
            assert_eq!(next(&mut outward).await.unwrap().len(), 3);
            parting.cancel();
            send.send(b"bc").await.unwrap();
            assert_eq!(next(&mut outward).await.unwrap(), b"bc"[..]);
            assert_eq!(next(&mut outward).await.unwrap()[..2], b"\x88\x02"[..]);
            assert_eq!(next(&mut outward).await, None);
        });
    }
}
