//! Limits how many packets a connection passes to the kernel in one call. quinn keeps a buffer for
//! that many as long as the connection lives, and most connections send little: each begins with
//! one packet and gets more when it has made enough calls.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::UdpSocket;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime};

/// Calls beyond the first in one poll, after which a connection sends its packets in batches. More
/// than a handshake and a few small responses need.
const WORTH: u32 = 8;

/// quinn's runtime. Records which task is polled, which the socket reads through [`Turn`].
#[derive(Debug)]
pub(crate) struct Tasks;

/// One poll of a task.
#[derive(Clone, Copy, Default)]
pub(super) struct Turn {
    is_together: bool,
    calls: u32,
}

thread_local! {
    static TURN: Cell<Turn> = const { Cell::new(Turn { is_together: false, calls: 0 }) };
}

impl Turn {
    /// How many packets may be sent in one call, if the socket supports `most`.
    pub(super) fn packets(most: usize) -> usize {
        if TURN.get().is_together { most } else { most.min(1) }
    }

    /// Counts a call.
    pub(super) fn count() {
        let turn = TURN.get();
        TURN.set(Self { calls: turn.calls.saturating_add(1), ..turn });
    }
}

impl Runtime for Tasks {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::spawn(Task { task, spent: 0 });
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn now(&self) -> Instant {
        TokioRuntime.now()
    }
}

/// The task of one connection or of an endpoint.
struct Task {
    task: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Calls that batching would have saved.
    spent: u32,
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let is_together = self.spent > WORTH;
        TURN.set(Turn { is_together, calls: 0 });
        let polled = self.task.as_mut().poll(cx);
        let calls = TURN.take().calls;
        if !is_together {
            self.spent += calls.saturating_sub(1);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// A task that makes the given number of calls in each poll, and the batch size in each.
    fn packets(calls: u32, turns: usize) -> Vec<usize> {
        let (tell, told) = std::sync::mpsc::channel();
        let work = poll_fn(move |_| {
            tell.send(Turn::packets(10)).unwrap();
            (0..calls).for_each(|_| Turn::count());
            Poll::<()>::Pending
        });
        let mut task = Task { task: Box::pin(work), spent: 0 };
        let mut cx = Context::from_waker(std::task::Waker::noop());
        (0..turns).for_each(|_| assert!(Pin::new(&mut task).poll(&mut cx).is_pending()));
        told.try_iter().collect()
    }

    #[test]
    fn packets_leave_together_once_that_spares_calls() {
        assert_eq!(packets(1, 100), [1; 100]);
        assert_eq!(packets(20, 3), [1, 10, 10]);
        assert_eq!(packets(4, 5), [1, 1, 1, 10, 10]);
        assert_eq!(Turn::packets(10), 1, "outside of all turns");
    }
}
