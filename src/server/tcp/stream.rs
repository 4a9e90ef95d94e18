//! The task of one HTTP/2 stream: sends the response, then reads what the client still sends.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::stall::{STALL, Stall};
use super::unread::{BOUNDS, drain};

/// Runs a stream's task until it ends or its client has read nothing for `patience`. After a
/// complete response, the rest of the request is read.
pub(crate) async fn watched(task: impl Future, patience: Option<Duration>) {
    let stall = Rc::new(Stall::default());
    if answered(task, &stall, patience).await {
        drain(&stall, &BOUNDS).await;
    }
}

/// Whether the task has ended by itself.
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
    use tokio::time::{Instant, timeout};

    use super::*;

    #[test]
    fn a_stream_that_waits_for_its_client_is_given_up_where_there_is_a_limit() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let waits = || async {
                Stall::current().unwrap().begin(Instant::now());
                std::future::pending::<()>().await;
            };
            for (patience, ends) in [(Some(Duration::from_millis(50)), true), (None, false)] {
                let watched = timeout(Duration::from_millis(300), watched(waits(), patience));
                assert_eq!(watched.await.is_ok(), ends, "{patience:?}");
            }
        });
    }
}
