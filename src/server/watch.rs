//! Keeps time on a TCP connection: an idle client, a head that does not end, a response that
//! the client does not take. One timer per connection, re-armed only when it is due earlier.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::gather::Outbox;
use super::guard::GuardHandle;
use crate::http::limits::{Timeouts, WRITE_IDLE};

/// How long a connection that is to close waits for the first request of a client that has just
/// connected, and would take a close for a failure.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

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

    fn is_fresh(&self) -> bool {
        self.0.fresh.get()
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
    /// Until when a connection that is to close waits for its first request.
    ending: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl<C: Graceful> Watched<C> {
    pub(super) fn new(connection: C, clock: Clock, closing: &CancellationToken) -> Self {
        let timer = Box::pin(tokio::time::sleep_until(clock.deadline().unwrap_or_else(far)));
        let closing = Some(Box::pin(closing.clone().cancelled_owned()));
        Self { connection: Box::pin(connection), clock, closing, ending: None, timer }
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

impl<C: Graceful> Watched<C> {
    /// Whether the time has come to ask for the end: the first request is here, or did not come.
    fn is_to_end(&self) -> bool {
        self.ending.is_some_and(|at| !self.clock.activity.is_fresh() || at <= Instant::now())
    }

    /// Ready when `due` or an earlier time has come.
    fn poll_timer(&mut self, due: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(due) = due.filter(|due| *due < self.timer.deadline()) {
            self.timer.as_mut().reset(due);
        }
        ready!(self.timer.as_mut().poll(cx));
        self.timer.as_mut().reset(due.unwrap_or_else(far));
        Poll::Ready(())
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
            this.ending = Some(Instant::now() + FIRST_REQUEST);
        }
        loop {
            if this.is_to_end() {
                this.ending = None;
                this.connection.as_mut().graceful_shutdown();
            }
            if let Poll::Ready(output) = this.poll_connection(cx) {
                return Poll::Ready(output);
            }
            if this.is_to_end() {
                continue;
            }
            let given_up = this.clock.deadline();
            ready!(this.poll_timer(given_up.into_iter().chain(this.ending).min(), cx));
            if given_up.is_some_and(|at| at <= Instant::now()) {
                return Poll::Ready(None);
            }
        }
    }
}

/// Nothing is due: look again in a day.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(24 * 3600)
}
