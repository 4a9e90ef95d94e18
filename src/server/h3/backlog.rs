//! Content that clients have sent and that nobody has read yet. quinn does not say how much of it
//! there is, so it is estimated from above: by the packets that came, and by what was read.

use std::cell::{Cell, RefCell};
use std::task::{Context, Waker};
use std::time::Instant;

use crate::limits::QUIC_UNREAD;

/// The streams of a connection whose content may be waiting.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    streams: Cell<usize>,
    /// Since when there has been one.
    since: Cell<Option<Instant>>,
    /// There was none at some time since the last look.
    was_empty: Cell<bool>,
    /// Bytes read since the last look.
    read: Cell<u64>,
    /// Bytes of all packets until the last look.
    packets: Cell<u64>,
    estimate: Cell<u64>,
    /// The connection's task looks again by itself.
    is_watched: Cell<bool>,
    watcher: RefCell<Option<Waker>>,
}

/// What a look finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnreadContent {
    pub(super) streams: usize,
    /// Not more than this.
    pub(super) bytes: u64,
}

impl Backlog {
    pub(super) fn new() -> Self {
        Self { was_empty: Cell::new(true), ..Self::default() }
    }

    /// Content of one more stream may be waiting.
    pub(super) fn add(&self) {
        let streams = self.streams.get();
        self.streams.set(streams + 1);
        if streams == 0 {
            self.since.set(Some(Instant::now()));
            if !self.is_watched.get() {
                self.watcher.borrow_mut().take().into_iter().for_each(Waker::wake);
            }
        }
    }

    /// All that came on the stream has been read, or the stream has ended.
    pub(super) fn remove(&self) {
        let streams = self.streams.get() - 1;
        self.streams.set(streams);
        if streams == 0 {
            self.since.set(None);
            self.was_empty.set(true);
        }
    }

    pub(super) fn read(&self, bytes: u64) {
        self.read.set(self.read.get() + bytes);
    }

    /// Whether the connection's task has to look; otherwise it is woken when it has to.
    pub(super) fn is_there(&self, cx: &Context<'_>) -> bool {
        let is_there = self.streams.get() > 0;
        self.is_watched.set(is_there);
        let mut watcher = self.watcher.borrow_mut();
        if !is_there && !watcher.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *watcher = Some(cx.waker().clone());
        }
        is_there
    }

    /// What has been waiting for long, given the bytes of all packets so far.
    pub(super) fn look(&self, packets: u64, now: Instant) -> Option<UnreadContent> {
        let came = packets - self.packets.replace(packets);
        let read = self.read.take();
        let estimate = match self.was_empty.take() {
            true => came,
            false => (self.estimate.get() + came).saturating_sub(read),
        };
        self.estimate.set(estimate);
        let Some(since) = self.since.get() else {
            self.was_empty.set(true);
            return None;
        };
        let is_old = now.duration_since(since) >= QUIC_UNREAD;
        is_old.then(|| UnreadContent { streams: self.streams.get(), bytes: estimate })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KB: u64 = 1024;

    fn later() -> Instant {
        Instant::now() + QUIC_UNREAD
    }

    #[test]
    fn only_what_waits_for_long_is_unread() {
        let backlog = Backlog::new();
        assert_eq!(backlog.look(KB, later()), None);
        backlog.add();
        assert_eq!(backlog.look(2 * KB, Instant::now()), None);
        backlog.add();
        let two = UnreadContent { streams: 2, bytes: 10 * KB };
        assert_eq!(backlog.look(11 * KB, later()), Some(two));
        backlog.remove();
        assert_eq!(backlog.look(11 * KB, later()).unwrap().streams, 1);
        backlog.remove();
        assert_eq!(backlog.look(11 * KB, later()), None);
    }

    #[test]
    fn what_was_read_waits_no_more() {
        let backlog = Backlog::new();
        let bytes = |packets| backlog.look(packets, later()).unwrap().bytes;
        backlog.add();
        assert_eq!(bytes(100 * KB), 100 * KB);
        backlog.read(30 * KB);
        assert_eq!(bytes(120 * KB), 90 * KB);
        backlog.read(500 * KB);
        assert_eq!(bytes(120 * KB), 0);
        // Nothing of what came before is left.
        assert_eq!(bytes(300 * KB), 180 * KB);
        backlog.read(180 * KB);
        backlog.remove();
        backlog.add();
        assert_eq!(bytes(310 * KB), 10 * KB);
    }

    #[test]
    fn the_connection_is_woken_once() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering};
        #[derive(Default)]
        struct Woken(AtomicUsize);
        impl std::task::Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let (backlog, woken) = (Backlog::new(), Arc::<Woken>::default());
        let waker = Waker::from(woken.clone());
        let cx = Context::from_waker(&waker);
        assert!(!backlog.is_there(&cx));
        backlog.add();
        assert!(backlog.is_there(&cx));
        for _ in 0..3 {
            backlog.remove();
            backlog.add();
        }
        assert_eq!(woken.0.load(Ordering::Relaxed), 1, "while it looks by itself");
        backlog.remove();
        assert!(!backlog.is_there(&cx));
        backlog.add();
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
    }
}
