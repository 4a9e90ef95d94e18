//! Counts connections and requests that a stop must wait for.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// Counts tasks that hold a [`Ticket`]: busy connections and requests in flight.
#[derive(Clone, Default)]
pub(super) struct InFlight(Rc<Counter>);

#[derive(Default)]
struct Counter {
    count: Cell<usize>,
    empty: Notify,
}

impl InFlight {
    /// Increments the count until the ticket is dropped.
    pub(super) fn enter(&self) -> Ticket {
        self.0.count.set(self.0.count.get() + 1);
        Ticket(self.0.clone())
    }

    pub(super) fn count(&self) -> usize {
        self.0.count.get()
    }

    /// Returns when the count is zero.
    pub(super) async fn none_left(&self) {
        while self.0.count.get() > 0 {
            self.0.empty.notified().await;
        }
    }
}

/// One unit of the count.
pub(super) struct Ticket(Rc<Counter>);

impl Drop for Ticket {
    fn drop(&mut self) {
        let left = self.0.count.get() - 1;
        self.0.count.set(left);
        if left == 0 {
            self.0.empty.notify_waiters();
        }
    }
}
