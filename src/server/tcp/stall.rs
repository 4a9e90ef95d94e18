//! HTTP/2 streams whose client opens no window while other streams of the connection make progress.
//! hyper waits for the window where the body cannot see it, so the stream's task is watched from
//! outside; a task that is dropped resets its stream.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::http::Body;

tokio::task_local! {
    pub(super) static STALL: Rc<Stall>;
}

/// The state of a stream outside of its task.
#[derive(Default)]
pub(crate) struct Stall {
    /// Since when the response has waited for its client.
    since: Cell<Option<Instant>>,
    /// When the response must be complete. While it waits for its client, nothing polls its body.
    respond_by: Cell<Option<Instant>>,
    pub(crate) unread: Unread,
}

impl Stall {
    /// The state of the stream whose task is running; other protocols have none.
    pub(crate) fn current() -> Option<Rc<Self>> {
        STALL.try_with(Rc::clone).ok()
    }

    pub(crate) fn respond_by(&self, deadline: Option<Instant>) {
        self.respond_by.set(deadline);
    }

    pub(crate) fn begin(&self, now: Instant) {
        self.since.set(Some(now));
    }

    pub(crate) fn end(&self) {
        self.since.set(None);
    }

    pub(super) fn poll_given_up(
        &self,
        patience: Duration,
        timer: &mut Option<Pin<Box<Sleep>>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            let Some(since) = self.since.get() else { return Poll::Pending };
            let due = self.respond_by.get().map_or(since + patience, |at| at.min(since + patience));
            let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}

/// The content of a request that its handler dropped before the end.
#[derive(Default)]
pub(crate) struct Unread {
    pub(super) rest: Cell<Option<Body>>,
    /// The task that waits for it.
    pub(super) waiter: Cell<Option<Waker>>,
}

impl Unread {
    pub(super) fn is_here(&self) -> bool {
        let rest = self.rest.take();
        let is_here = rest.is_some();
        self.rest.set(rest);
        is_here
    }
}
