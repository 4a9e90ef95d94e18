//! A connection or stream that has left HTTP: bytes both ways, bounded in silence, and told
//! goodbye when the process stops. The same for all protocols, whose own way of reading and
//! writing lies below these bodies.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderValue;
use http_body::{Body as HttpBody, Frame};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::ws_frames::{Frames, going_away};
use crate::http::limits::TUNNEL_IDLE;
use crate::http::{Body, BodyError, upgrade};

/// What both directions know.
pub(super) struct Tunnel {
    /// When a byte last passed, in whatever direction.
    moved: Cell<Instant>,
    /// The time for tunnels to end has come.
    parting: CancellationToken,
    is_websocket: bool,
}

impl Tunnel {
    pub(super) fn new(protocol: &HeaderValue, parting: &CancellationToken) -> Rc<Self> {
        Rc::new(Self {
            moved: Cell::new(Instant::now()),
            parting: parting.clone(),
            is_websocket: upgrade::is_websocket(protocol),
        })
    }

    /// What comes from the client.
    pub(super) fn inward(self: &Rc<Self>, body: Body) -> Body {
        Body::new(Half::new(self, body, Direction::Inward))
    }

    /// What goes to the client.
    pub(super) fn outward(self: &Rc<Self>, body: Body) -> Body {
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
    /// The goodbye was handed out.
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
            idle: Box::pin(tokio::time::sleep_until(tunnel.moved.get() + TUNNEL_IDLE)),
        }
    }

    fn passed(&mut self, bytes: &[u8]) {
        self.tunnel.moved.set(Instant::now());
        if self.tunnel.is_websocket {
            self.frames.pass(bytes);
        }
    }

    /// Ready when this direction is to end: the process stops, or nothing moves any more.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.parting.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            if self.idle.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let due = self.tunnel.moved.get() + TUNNEL_IDLE;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.idle.as_mut().reset(due);
        }
    }

    /// Ends the direction where it may end: a frame is not cut.
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
                // The other direction lives in the handler's body: its goodbye goes out here.
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
