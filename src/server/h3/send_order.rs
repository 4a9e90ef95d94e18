//! The order in which the responses of an HTTP/3 connection hand their content to QUIC, which sends
//! it by the priorities of streams. While several responses are under way, QUIC gets little more
//! than what may be in flight: what it has can neither be overtaken by a response of the same
//! urgency nor be given another priority.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::HeaderMap;
use quinn::SendStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::priorities::Priorities;
use super::send_window::SendWindow;
use crate::server::schedule::Scheduled;

/// Of the streams that carry no response.
pub(super) const FIRST: i32 = i32::MAX;
/// The priority at which quinn opens streams is that of an incremental response of the default
/// urgency.
const DEFAULT_URGENCY: i32 = 3;
/// The order of so many requests is kept within an urgency.
const REQUESTS: u64 = 1 << 20;
/// Added to two round trips, for a response that waits for room.
const ACKNOWLEDGED: Duration = Duration::from_millis(20);

/// Shared by the responses of a connection.
#[derive(Clone)]
pub(crate) struct SendOrder(Rc<Room>);

struct Room {
    quic: quinn::Connection,
    priorities: Priorities,
    /// The response that waits for room in QUIC. Less urgent ones do not try.
    blocked: Cell<Option<u64>>,
    window: SendWindow,
    /// Bytes that QUIC has taken of all responses.
    written: Rc<Cell<u64>>,
}

impl SendOrder {
    pub(super) fn new(quic: quinn::Connection, priorities: Priorities) -> Self {
        let (blocked, window) = (Cell::new(None), SendWindow::new(quic.clone()));
        Self(Rc::new(Room { quic, priorities, blocked, window, written: Rc::default() }))
    }

    /// Adds the response to a request.
    pub(super) fn enter(&self, stream: quinn::StreamId, fields: &HeaderMap) -> Ordered {
        let stream = u64::from(stream);
        Ordered {
            scheduled: self.0.priorities.schedule().enter(stream, fields),
            stream,
            order: self.clone(),
            level: Cell::new(0),
            patience: RefCell::default(),
        }
    }

    /// Bytes that QUIC has taken of all responses.
    pub(crate) fn written(&self) -> Rc<Cell<u64>> {
        self.0.written.clone()
    }

    fn call(&self) {
        self.0.priorities.schedule().call();
    }

    fn unblock(&self, stream: u64) {
        if self.0.blocked.get() == Some(stream) {
            self.0.blocked.set(None);
        }
    }
}

/// A response of the connection, until the client has it.
pub(crate) struct Ordered {
    pub(super) scheduled: Scheduled,
    stream: u64,
    order: SendOrder,
    /// The priority of its stream in QUIC.
    level: Cell<i32>,
    /// How long it may wait for room before others try.
    patience: RefCell<Option<Pin<Box<Sleep>>>>,
}

impl Ordered {
    /// Ready when it is the turn of this response to write to its stream.
    pub(super) fn poll_turn(&self, stream: &SendStream, cx: &Context<'_>) -> Poll<()> {
        let state = &*self.order.0;
        let schedule = state.priorities.schedule();
        let is_shared = schedule.is_shared();
        if is_shared {
            let goes_first =
                |blocked| blocked == self.stream || schedule.prefers(self.stream, blocked);
            let has_room = state.blocked.get().is_none_or(goes_first);
            let turn = self.scheduled.poll_turn(has_room, cx);
            if turn.is_pending() && has_room {
                self.order.unblock(self.stream);
                schedule.call();
            }
            ready!(turn);
        }
        state.window.follow(is_shared);
        self.set_level(stream);
        Poll::Ready(())
    }

    /// Of one urgency, the incremental ones share what QUIC sends, and the others follow in the
    /// order of their requests.
    fn set_level(&self, stream: &SendStream) {
        let (urgency, shares) = self.scheduled.priority();
        let after = if shares { 0 } else { 1 + (self.stream / 4 % REQUESTS) as i32 };
        let level = (DEFAULT_URGENCY - i32::from(urgency)) * (REQUESTS as i32 + 1) - after;
        if self.level.replace(level) != level {
            // An error means that the stream has ended.
            let _ = stream.set_priority(level);
        }
    }

    /// QUIC has taken so many bytes.
    pub(super) fn wrote(&self, bytes: usize) {
        self.order.unblock(self.stream);
        let Room { priorities, window, written, .. } = &*self.order.0;
        written.set(written.get() + bytes as u64);
        let is_shared = priorities.schedule().is_shared();
        if is_shared {
            self.scheduled.sent(bytes);
        }
        window.wrote(bytes as u64, is_shared);
    }

    /// QUIC has no room: for any stream, or because the client opens no window for this one. After
    /// the time in which room for any comes back, others try.
    pub(super) fn poll_blocked(&self, cx: &mut Context<'_>) {
        let state = &*self.order.0;
        if !state.priorities.schedule().is_shared() {
            return;
        }
        let mut patience = self.patience.borrow_mut();
        let due = || Instant::now() + state.quic.rtt() * 2 + ACKNOWLEDGED;
        let is_new = state.blocked.replace(Some(self.stream)) != Some(self.stream);
        let timer = patience.get_or_insert_with(|| Box::pin(sleep_until(due())));
        if is_new {
            timer.as_mut().reset(due());
        }
        if timer.as_mut().poll(cx).is_ready() {
            state.blocked.set(None);
            self.order.call();
        }
    }

    /// All that was available has been written.
    pub(super) fn rest(&self) {
        self.order.unblock(self.stream);
        if self.order.0.priorities.schedule().is_shared() {
            self.order.call();
        }
    }
}

impl Drop for Ordered {
    fn drop(&mut self) {
        self.order.unblock(self.stream);
        let Room { priorities, window, .. } = &*self.order.0;
        if !priorities.schedule().is_shared() {
            window.rest();
        }
    }
}
