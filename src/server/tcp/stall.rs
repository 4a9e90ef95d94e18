//! HTTP/2 streams whose client opens no window while others on the connection move. hyper waits
//! for the window out of sight of the body, so its stream's task is watched from outside; a task
//! that is dropped resets its stream.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::unread::{BOUNDS, Unread, drain};

tokio::task_local! {
    static STALL: Rc<Stall>;
}

/// What is known of a stream beside its task.
#[derive(Default)]
pub(crate) struct Stall {
    /// Since when the response waits for its client.
    since: Cell<Option<Instant>>,
    pub(crate) unread: Unread,
}

impl Stall {
    /// That of the stream whose task runs; other protocols have none.
    pub(crate) fn current() -> Option<Rc<Self>> {
        STALL.try_with(Rc::clone).ok()
    }

    pub(crate) fn begin(&self) {
        self.since.set(Some(Instant::now()));
    }

    pub(crate) fn end(&self) {
        self.since.set(None);
    }

    fn poll_given_up(
        &self,
        patience: Duration,
        timer: &mut Option<Pin<Box<Sleep>>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            let Some(since) = self.since.get() else { return Poll::Pending };
            let due = since + patience;
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

/// Runs a stream's task until it ends or its client has taken nothing for longer than `patience`.
/// An answer that is complete waits for the rest of the request.
pub(crate) async fn watched(task: impl Future, patience: Option<Duration>) {
    let stall = Rc::new(Stall::default());
    if answered(task, &stall, patience).await {
        drain(&stall, &BOUNDS).await;
    }
}

/// Whether the task came to its end, and was not given up.
async fn answered(task: impl Future, stall: &Rc<Stall>, patience: Option<Duration>) -> bool {
    let mut task = pin!(task);
    let mut timer = None;
    poll_fn(|cx| {
        if STALL.sync_scope(stall.clone(), || task.as_mut().poll(cx)).is_ready() {
            return Poll::Ready(true);
        }
        let Some(patience) = patience else { return Poll::Pending };
        stall.poll_given_up(patience, &mut timer, cx).map(|()| false)
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn a_stream_that_waits_for_its_client_is_given_up_where_there_is_a_limit() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let waits = || async {
                Stall::current().unwrap().begin();
                std::future::pending::<()>().await;
            };
            for (patience, ends) in [(Some(Duration::from_millis(50)), true), (None, false)] {
                let watched = timeout(Duration::from_millis(300), watched(waits(), patience));
                assert_eq!(watched.await.is_ok(), ends, "{patience:?}");
            }
        });
    }
}
