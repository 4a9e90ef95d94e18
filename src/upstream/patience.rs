//! The idle timer of a connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Measures how long a connection has been idle. The timer stays registered across requests, and is
/// reset only when it fires or is due too late.
#[derive(Debug)]
pub struct Patience {
    since: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Default for Patience {
    fn default() -> Self {
        Self { since: Instant::now(), timer: None }
    }
}

impl Patience {
    pub fn moved(&mut self) {
        self.moved_at(Instant::now());
    }

    /// Records activity at `now`, unless there was later activity.
    pub fn moved_at(&mut self, now: Instant) {
        self.since = self.since.max(now);
    }

    pub fn since(&self) -> Instant {
        self.since
    }

    /// Ready when the connection has been idle for `limit`.
    pub fn poll(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let due = self.since + limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}
