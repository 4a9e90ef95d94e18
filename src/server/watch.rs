//! Keeps time on a TCP connection: an idle client, a head that does not end, a response that
//! the client does not take. One timer per connection, re-armed only when it is due earlier.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::gather::Outbox;
use super::guard::GuardHandle;
use crate::http::limits::{Timeouts, WRITE_IDLE};

/// What one connection is doing, told by dispatch and by response bodies.
#[derive(Clone)]
pub(super) struct Activity(Rc<State>);

struct State {
    requests: Cell<usize>,
    /// Responses whose last frame waits for the client.
    unread: Cell<usize>,
    /// A request ended, a frame was handed out: the last sign of progress.
    progress: Cell<Instant>,
    /// No request has come yet.
    fresh: Cell<bool>,
    guard: Option<GuardHandle>,
}

impl Activity {
    pub(super) fn new(guard: Option<GuardHandle>) -> Self {
        Self(Rc::new(State {
            requests: Cell::new(0),
            unread: Cell::new(0),
            progress: Cell::new(Instant::now()),
            fresh: Cell::new(true),
            guard,
        }))
    }

    /// The verdict on the request that now begins, if its head broke the rules.
    pub(super) fn begin(&self) -> Option<http::StatusCode> {
        self.0.requests.set(self.0.requests.get() + 1);
        self.0.fresh.set(false);
        self.0.guard.as_ref().and_then(GuardHandle::begin_request)
    }

    /// The request that began asks for an upgrade and gets an ordinary response.
    pub(super) fn not_upgraded(&self) {
        if let Some(guard) = &self.0.guard {
            guard.not_upgraded();
        }
    }

    /// A response is complete, failed or dropped.
    pub(super) fn end(&self) {
        self.0.requests.set(self.0.requests.get() - 1);
        self.progress();
    }

    /// A response body handed a frame out, which the client has yet to take.
    pub(super) fn handed_out(&self) {
        self.0.unread.set(self.0.unread.get() + 1);
        self.progress();
    }

    /// The frame was taken.
    pub(super) fn taken(&self) {
        self.0.unread.set(self.0.unread.get() - 1);
    }

    fn progress(&self) {
        self.0.progress.set(Instant::now());
    }

    /// When the connection is to be given up, as things stand.
    fn deadline(&self, timeouts: &Timeouts) -> Option<Instant> {
        let state = &self.0;
        if let Some(started) = state.guard.as_ref().and_then(GuardHandle::head_started) {
            return timeouts.header.map(|header| started + header);
        }
        if state.requests.get() == 0 {
            let limit = if state.fresh.get() { timeouts.header } else { timeouts.idle };
            return limit.map(|limit| state.progress.get() + limit);
        }
        (state.unread.get() > 0).then(|| state.progress.get() + WRITE_IDLE)
    }
}

/// A hyper connection that can be asked to end after the requests it has.
pub(super) trait Graceful: Future {
    fn graceful_shutdown(self: Pin<&mut Self>);
}

/// What a connection's time is told by.
pub(super) struct Clock {
    activity: Activity,
    timeouts: Timeouts,
    /// Where what the connection writes is gathered.
    outbox: Option<Outbox>,
}

impl Clock {
    pub(super) fn new(activity: Activity, timeouts: Timeouts, outbox: Option<Outbox>) -> Self {
        Self { activity, timeouts, outbox }
    }

    fn deadline(&self) -> Option<Instant> {
        let stalled = self.outbox.as_ref().and_then(Outbox::stalled).map(|at| at + WRITE_IDLE);
        let due = self.activity.deadline(&self.timeouts);
        stalled.into_iter().chain(due).min()
    }
}

/// Drives a connection until it ends or its time is up.
pub(super) struct Watched<C> {
    connection: Pin<Box<C>>,
    clock: Clock,
    closing: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    timer: Pin<Box<Sleep>>,
}

impl<C: Graceful> Watched<C> {
    pub(super) fn new(connection: C, clock: Clock, closing: &CancellationToken) -> Self {
        let timer = Box::pin(tokio::time::sleep_until(clock.deadline().unwrap_or_else(far)));
        let closing = Some(Box::pin(closing.clone().cancelled_owned()));
        Self { connection: Box::pin(connection), clock, closing, timer }
    }

    /// Polls the connection and sends what it wrote. `None`: the client cannot be written to.
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<Option<C::Output>> {
        loop {
            let polled = self.connection.as_mut().poll(cx);
            // Also what is said last: there is no later poll.
            let sent = self.clock.outbox.as_ref().map(|outbox| outbox.poll_send(cx));
            if let Poll::Ready(output) = polled {
                return Poll::Ready(Some(output));
            }
            match sent {
                Some(Poll::Ready(Ok(true))) => {}
                Some(Poll::Ready(Err(_))) => return Poll::Ready(None),
                None | Some(Poll::Ready(Ok(false)) | Poll::Pending) => return Poll::Pending,
            }
        }
    }
}

impl<C: Graceful> Future for Watched<C> {
    /// `None`: given up.
    type Output = Option<C::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(closing) = &mut this.closing
            && closing.as_mut().poll(cx).is_ready()
        {
            this.closing = None;
            this.connection.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(output) = this.poll_connection(cx) {
            return Poll::Ready(output);
        }
        loop {
            let due = this.clock.deadline();
            if let Some(due) = due.filter(|due| *due < this.timer.deadline()) {
                this.timer.as_mut().reset(due);
            }
            if this.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if due.is_some_and(|due| due <= Instant::now()) {
                return Poll::Ready(None);
            }
            this.timer.as_mut().reset(due.unwrap_or_else(far));
        }
    }
}

/// Nothing is due: look again in a day.
fn far() -> Instant {
    Instant::now() + std::time::Duration::from_secs(24 * 3600)
}
