//! A response body on its way to hyper: reports progress to the connection's clock and enforces the
//! limit on the whole response.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::activity::Activity;
use super::send_order::Ordered;
use super::stall::Stall;
use super::stream_slots::StreamSlot;
use crate::http::{Body, BodyError};
use crate::server::dispatch::Tally;

/// Content of an HTTP/2 DATA frame that fills one TLS record together with its header of 9 bytes
/// (RFC 9113 section 4.1): a longer frame would add a record of a few bytes after each full one.
const PIECE: usize = 16 * 1024 - 9;

/// The body of one response. Its end is the end of the request.
pub(crate) struct Outgoing {
    body: Body,
    held: InProgress,
    stall: Option<Rc<Stall>>,
    /// The rest of a frame that was too long for one piece, or waits for its turn.
    rest: Bytes,
    /// A frame was returned, and the next one not yet requested.
    unread: bool,
    /// The body has said that it has no more.
    ended: bool,
    deadline: Option<Pin<Box<Sleep>>>,
}

/// What a request holds until the end of its response.
pub(crate) struct InProgress {
    pub(crate) activity: Activity,
    pub(crate) tally: Tally,
    /// Its place in the order of the responses of an HTTP/2 connection.
    pub(crate) order: Option<Ordered>,
    /// Its place among the streams of an HTTP/2 connection.
    pub(crate) _turn: Option<StreamSlot>,
}

impl Outgoing {
    pub(crate) fn new(body: Body, held: InProgress, deadline: Option<Instant>) -> Self {
        let stall = Stall::current();
        match &stall {
            Some(stall) => stall.respond_by(deadline),
            None => held.activity.respond_by(deadline),
        }
        let deadline = deadline.map(|at| Box::pin(tokio::time::sleep_until(at)));
        Self { body, held, stall, rest: Bytes::new(), unread: false, ended: false, deadline }
    }

    /// The next frame, limited to the size of a record.
    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.rest.is_empty() {
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            // Only HTTP/2 detects stalls, and has a frame header before the content.
            let Poll::Ready(Some(Ok(frame))) = polled else { return polled };
            let has_content = frame.data_ref().is_some_and(|data| !data.is_empty());
            if self.stall.is_none() || !has_content {
                return Poll::Ready(Some(Ok(frame)));
            }
            self.rest = frame.into_data().unwrap_or_default();
        }
        let bytes = self.rest.len().min(PIECE);
        if let Some(order) = &self.held.order {
            ready!(order.poll_turn(bytes, cx));
        }
        let piece = self.rest.split_to(bytes);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn taken(&mut self) {
        if std::mem::take(&mut self.unread) {
            self.held.activity.taken();
            if let Some(stall) = &self.stall {
                stall.end();
            }
        }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.taken();
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())));
        }
        let polled = self.poll_piece(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.unread = true;
                let now = Instant::now();
                self.held.activity.handed_out(now);
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.held.tally.sent(bytes);
                if let Some(stall) = &self.stall {
                    stall.begin(now);
                }
            }
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(Some(Err(error))) => log::debug!("response body: {error}"),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.taken();
        let ends = self.body.is_end_stream() || self.body.size_hint().exact() == Some(0);
        if self.rest.is_empty() && (ends || self.ended) {
            self.held.tally.complete();
        }
        let now = Instant::now();
        self.held.activity.end(now);
        self.held.tally.end(now.into_std());
    }
}
