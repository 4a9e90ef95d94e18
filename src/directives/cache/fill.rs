//! Stores the content of a response while the client receives it. A task of its own reads on, so
//! that neither a slow client nor one that leaves is in the way of others.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::timeout;

use super::draft::Draft;
use super::store::Reservation;
use crate::http::{Body, BodyError};
use crate::limits::CACHE_STALLED;

/// Bytes that are read ahead of the client.
const AHEAD: usize = 1 << 20;

/// The content for the client; `draft` gets a copy, and is stored at its end.
pub(super) fn fill(mut body: Body, draft: Draft) -> Body {
    let (hint, mut draft) = (body.size_hint(), Some(draft));
    let ahead = draft.as_ref().and_then(|draft| draft.reserve_ahead(AHEAD));
    let most = if ahead.is_some() { AHEAD } else { 0 };
    let pipe = Rc::new(RefCell::new(Pipe { _ahead: ahead, ..Pipe::default() }));
    // What is there at once needs no task.
    while let Some(first) = body.frame().now_or_never() {
        pipe.borrow_mut().take(first, &mut draft);
        if pipe.borrow().ended.is_some() || pipe.borrow().bytes > most {
            break;
        }
    }
    if pipe.borrow().ended.is_none() {
        tokio::task::spawn_local(pump(body, draft, most, pipe.clone()));
    }
    Body::new(Received { pipe, hint })
}

/// Between the task that reads and the client's connection, both of one worker.
#[derive(Default)]
struct Pipe {
    frames: VecDeque<Frame<Bytes>>,
    bytes: usize,
    ended: Option<Result<(), BodyError>>,
    is_left: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The frames are copies of what the draft has.
    _ahead: Option<Reservation>,
}

impl Pipe {
    /// What has been read goes to the client, and a copy to the draft.
    fn take(&mut self, read: Option<Result<Frame<Bytes>, BodyError>>, draft: &mut Option<Draft>) {
        match read {
            Some(Ok(frame)) => {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                if let Some(full) = draft.take_if(|draft| !draft.push(data)) {
                    full.abandon();
                }
                if !self.is_left {
                    self.bytes += data.len();
                    self.frames.push_back(frame);
                }
            }
            Some(Err(error)) => {
                // One of those that wait asks again.
                *draft = None;
                self.ended = Some(Err(error));
            }
            None => {
                draft.take().into_iter().for_each(Draft::finish);
                self.ended = Some(Ok(()));
            }
        }
        self.reader.take().into_iter().for_each(Waker::wake);
    }
}

/// Reads to the end, or as long as somebody has use for it.
async fn pump(mut body: Body, mut draft: Option<Draft>, ahead: usize, pipe: Rc<RefCell<Pipe>>) {
    while pipe.borrow().ended.is_none() {
        let most = if draft.is_some() { ahead } else { 0 };
        let room = poll_fn(|cx| {
            let mut pipe = pipe.borrow_mut();
            if pipe.is_left || pipe.bytes <= most {
                return Poll::Ready(());
            }
            pipe.writer = Some(cx.waker().clone());
            Poll::Pending
        });
        if draft.is_none() {
            room.await;
        } else if timeout(CACHE_STALLED, room).await.is_err() {
            draft.take().into_iter().for_each(Draft::abandon);
            continue;
        }
        if draft.is_none() && pipe.borrow().is_left {
            return;
        }
        let read = body.frame().await;
        pipe.borrow_mut().take(read, &mut draft);
    }
}

struct Received {
    pipe: Rc<RefCell<Pipe>>,
    hint: SizeHint,
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let mut pipe = this.pipe.borrow_mut();
        if let Some(frame) = pipe.frames.pop_front() {
            let taken = frame.data_ref().map_or(0, Bytes::len);
            pipe.bytes -= taken;
            pipe.writer.take().into_iter().for_each(Waker::wake);
            if let Some(left) = this.hint.exact() {
                this.hint = SizeHint::with_exact(left.saturating_sub(taken as u64));
            }
            return Poll::Ready(Some(Ok(frame)));
        }
        match pipe.ended.take() {
            Some(Ok(())) => {
                pipe.ended = Some(Ok(()));
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                pipe.ended = Some(Ok(()));
                Poll::Ready(Some(Err(error)))
            }
            None => {
                pipe.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let pipe = self.pipe.borrow();
        pipe.frames.is_empty() && matches!(pipe.ended, Some(Ok(())))
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        let mut pipe = self.pipe.borrow_mut();
        pipe.is_left = true;
        pipe.frames.clear();
        pipe.bytes = 0;
        pipe.writer.take().into_iter().for_each(Waker::wake);
    }
}
