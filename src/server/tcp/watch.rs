//! Timers of a TCP connection: an idle client, a head that does not end, a response that the client
//! does not read. Each connection has one timer, which is reset only to an earlier time. Also
//! decides when the buffers of an idle connection may be freed until the client sends again.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::futures::OwnedNotified;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::activity::Activity;
use super::batched_tls::Flusher;
use crate::http::timeouts::Timeouts;
use crate::limits::{FIRST_REQUEST, ROOM_GRACE};
use crate::server::connection::Connection;
use crate::server::context::Worker;

/// A hyper connection that can be told to end after its current requests.
pub(crate) trait Graceful: Future {
    /// Whether only a response may announce the end. Closing an idle connection is a failure to a
    /// client whose request is in transit.
    const ENDS_WITH_A_RESPONSE: bool;

    fn graceful_shutdown(self: Pin<&mut Self>);
}

/// The sources of a connection's deadlines.
pub(crate) struct Clock {
    activity: Activity,
    timeouts: Timeouts,
    /// Where the connection's output is buffered.
    flusher: Option<Flusher>,
    closing: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Until when a connection that will close waits for a request.
    ending: Option<Instant>,
    /// Whether it waits although it has had one.
    lingers: bool,
    worker: Rc<Worker>,
    /// Notified if an idle connection must make room for another client.
    room: Option<Pin<Box<OwnedNotified>>>,
    /// When a connection that was told to make room is closed, if it is idle.
    leaving: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Clock {
    pub(crate) fn new(
        activity: Activity,
        timeouts: Timeouts,
        flusher: Option<Flusher>,
        connection: &Connection,
    ) -> Self {
        let timer = activity.deadline(&timeouts).unwrap_or_else(far);
        Self {
            activity,
            timeouts,
            flusher,
            closing: Some(Box::pin(connection.closing.clone().cancelled_owned())),
            ending: None,
            lingers: false,
            worker: connection.worker.clone(),
            room: None,
            leaving: None,
            timer: Box::pin(tokio::time::sleep_until(timer)),
        }
    }

    /// Waits, while nothing serves the connection, until the client sends something or a deadline
    /// expires. False if the connection must make room for another client.
    pub(crate) async fn rest(
        &mut self,
        mut poll_client: impl FnMut(&mut Context<'_>) -> Poll<()>,
    ) -> bool {
        let stays = poll_fn(|cx| {
            if poll_client(cx).is_ready() || self.poll_closing(cx).is_ready() {
                return Poll::Ready(true);
            }
            if self.poll_room(cx).is_ready() {
                return Poll::Ready(false);
            }
            let due = self.deadline().into_iter().chain(self.ending).min();
            // The timer may still be set for an earlier deadline.
            while self.poll_timer(due, cx).is_ready() {
                if due.is_some_and(|at| at <= Instant::now()) {
                    return Poll::Ready(true);
                }
            }
            Poll::Pending
        })
        .await;
        self.room = None;
        stays
    }

    /// Ready when an idle connection must make room for another client.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let wanted = || Box::pin(self.worker.room.clone().notified_owned());
        self.room.get_or_insert_with(wanted).as_mut().poll(cx)
    }

    /// Sends for the connection after its end.
    pub(crate) fn into_flusher(self) -> Option<Flusher> {
        self.flusher
    }

    /// Whether unsent output waits for the client.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stalled().is_some() || self.activity.is_unread()
    }

    fn deadline(&self) -> Option<Instant> {
        let unread_until = |since| self.activity.unread_deadline(since, &self.timeouts);
        let stalled = self.stalled().and_then(unread_until);
        let due = self.activity.deadline(&self.timeouts);
        let may_leave = self.activity.rest().is_some() && self.stalled().is_none();
        stalled.into_iter().chain(due).chain(self.leaving.filter(|_| may_leave)).min()
    }

    fn stalled(&self) -> Option<Instant> {
        self.flusher.as_ref().and_then(Flusher::stalled)
    }

    fn rest_due(&self) -> Option<Instant> {
        // A connection that was told to end cannot be reused.
        let is_ending = self.closing.is_none() && self.ending.is_none();
        self.activity.rest().filter(|_| self.stalled().is_none() && !is_ending)
    }

    /// Ready when the connection must close and has not been told to end.
    fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.closing.as_mut().map_or(Poll::Pending, |closing| closing.as_mut().poll(cx))
    }

    fn begin_to_end<C: Graceful>(&mut self) {
        let linger = self.worker.linger.get();
        self.closing = None;
        self.activity.close();
        self.lingers = C::ENDS_WITH_A_RESPONSE && linger > FIRST_REQUEST;
        let patience = if self.lingers { linger } else { FIRST_REQUEST };
        self.ending = Some(Instant::now() + patience);
    }

    /// Whether to tell the connection to end: a request is here, or did not arrive in time.
    fn is_to_end(&self) -> bool {
        let waits = self.lingers || self.activity.is_fresh();
        self.ending.is_some_and(|at| !waits || at <= Instant::now())
    }

    /// Ready at `due` or at an earlier deadline.
    fn poll_timer(&mut self, due: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(due) = due.filter(|due| *due < self.timer.deadline()) {
            self.timer.as_mut().reset(due);
        }
        ready!(self.timer.as_mut().poll(cx));
        self.timer.as_mut().reset(due.unwrap_or_else(far));
        Poll::Ready(())
    }
}

/// How serving a connection ended.
pub(crate) enum Ended<T> {
    Done(T),
    /// The client is too slow, silent for too long, or cannot be written to.
    GivenUp,
    /// The client is idle. The connection has no state, so a new hyper connection can continue it.
    AtRest,
}

/// Serves a connection until it ends or a deadline expires.
pub(crate) struct Watched<C> {
    connection: Pin<Box<C>>,
    clock: Clock,
}

impl<C: Graceful> Watched<C> {
    pub(crate) fn new(connection: C, clock: Clock) -> Self {
        Self { connection: Box::pin(connection), clock }
    }

    /// The connection after its end or while idle, and its clock.
    pub(crate) fn into_parts(self) -> (C, Clock)
    where
        C: Unpin,
    {
        (*Pin::into_inner(self.connection), self.clock)
    }

    pub(crate) fn into_clock(self) -> Clock {
        self.clock
    }

    /// Polls the connection and sends its output.
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<Ended<C::Output>> {
        loop {
            let polled = self.connection.as_mut().poll(cx);
            // Also the last output, as there is no later poll.
            let sent = self.clock.flusher.as_ref().map(|flusher| flusher.poll_send(cx));
            if let Poll::Ready(output) = polled {
                return Poll::Ready(Ended::Done(output));
            }
            match sent {
                Some(Poll::Ready(Ok(true))) => {}
                Some(Poll::Ready(Err(_))) => return Poll::Ready(Ended::GivenUp),
                None | Some(Poll::Ready(Ok(false)) | Poll::Pending) => return Poll::Pending,
            }
        }
    }
}

impl<C: Graceful> Future for Watched<C> {
    type Output = Ended<C::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.clock.poll_closing(cx).is_ready() {
            this.clock.begin_to_end::<C>();
        }
        loop {
            if this.clock.is_to_end() {
                this.clock.ending = None;
                this.connection.as_mut().graceful_shutdown();
            }
            if let Poll::Ready(ended) = this.poll_connection(cx) {
                return Poll::Ready(ended);
            }
            if this.clock.is_to_end() {
                continue;
            }
            let (given_up, rest) = (this.clock.deadline(), this.clock.rest_due());
            if this.poll_stays(rest, cx).is_ready() {
                // The slot is required: told once to end, a client may ignore it.
                this.clock.closing = None;
                this.clock.leaving = Some(Instant::now() + ROOM_GRACE);
                this.connection.as_mut().graceful_shutdown();
                continue;
            }
            let rest = rest.filter(|_| this.clock.room.is_none());
            let due = given_up.into_iter().chain(rest).chain(this.clock.ending).min();
            ready!(this.clock.poll_timer(due, cx));
            let now = Instant::now();
            if given_up.is_some_and(|at| at <= now) {
                return Poll::Ready(Ended::GivenUp);
            }
            if C::ENDS_WITH_A_RESPONSE && rest.is_some_and(|at| at <= now) {
                return Poll::Ready(Ended::AtRest);
            }
        }
    }
}

impl<C: Graceful> Watched<C> {
    /// Ready when a connection that cannot be suspended has been idle for as long as one that can,
    /// and must make room.
    fn poll_stays(&mut self, rest: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        if C::ENDS_WITH_A_RESPONSE || rest.is_none_or(|at| at > Instant::now()) {
            self.clock.room = None;
            return Poll::Pending;
        }
        self.clock.poll_room(cx)
    }
}

/// No deadline: check again in a day.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(24 * 3600)
}
