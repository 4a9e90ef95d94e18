//! Limits the requests of one HTTP/2 connection that run at once. The codec accepts more streams,
//! so that there is room for tunnels; further requests wait.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// The slots of a connection.
#[derive(Debug)]
pub(crate) struct StreamSlots {
    left: Cell<u32>,
    waiting: RefCell<Vec<Waker>>,
}

impl StreamSlots {
    pub(crate) fn new(most: u32) -> Rc<Self> {
        Rc::new(Self { left: Cell::new(most), waiting: RefCell::default() })
    }

    /// Waits for a slot, which becomes free when the returned value is dropped.
    pub(crate) async fn take(self: &Rc<Self>) -> StreamSlot {
        poll_fn(|cx| {
            if let Some(left) = self.left.get().checked_sub(1) {
                self.left.set(left);
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
        StreamSlot(self.clone())
    }
}

/// A running request.
#[derive(Debug)]
pub(crate) struct StreamSlot(Rc<StreamSlots>);

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.0.left.set(self.0.left.get() + 1);
        // Wakes all of them, as the first may have been dropped: it is rare, and they are few.
        self.0.waiting.take().into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_request_beyond_waits_and_none_is_forgotten() {
        let turns = StreamSlots::new(1);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let first = turns.take().await;
            assert!(turns.take().now_or_never().is_none(), "nobody else has a turn");
            let second = turns.take();
            let (second, ()) = tokio::join!(second, async { drop(first) });
            assert!(turns.take().now_or_never().is_none());
            drop(second);
            assert!(turns.take().now_or_never().is_some());
        });
    }
}
