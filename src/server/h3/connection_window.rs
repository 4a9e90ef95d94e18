//! The receive window of an HTTP/3 connection. quinn sets the window of streams once for all of
//! them, so it is large, and the window of the connection limits the memory. It is small at first
//! and grows:
//!
//! - for uploads that fill it and are read quickly;
//! - where content has been waiting to be read for [`QUIC_UNREAD`](crate::limits::QUIC_UNREAD) and
//!   leaves the client little for its other requests, whose heads need it too. Then it holds the
//!   whole window of each such stream, and [`BESIDE`]. A part of what the process grants is
//!   for that, so that uploads that nobody reads leave credit to those that are read.
//!
//! It never shrinks, since credit given to a client cannot be revoked.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use tokio::time::{Sleep, sleep};

use super::backlog::{Backlog, UnreadContent};
use crate::credit::{Drain, Grant, RECEIVE};
use crate::limits::{
    QUIC_CONNECTION_WINDOW, QUIC_CONNECTION_WINDOW_MOST, QUIC_STREAM_WINDOW, QUIC_UNREAD,
    RECEIVE_CREDIT, UNREAD_CREDIT,
};

/// For other streams, beside those that use their whole windows.
const BESIDE: u32 = 256 * 1024;

/// Shared by the streams of a connection.
#[derive(Clone)]
pub(crate) struct ConnectionWindow(Rc<State>);

struct State {
    quic: quinn::Connection,
    window: Cell<u32>,
    grant: RefCell<Grant>,
    drain: RefCell<Drain>,
    /// Streams with content that the client has not ended.
    uploads: Cell<usize>,
    backlog: Backlog,
}

impl ConnectionWindow {
    pub(crate) fn new(quic: quinn::Connection) -> Self {
        Self(Rc::new(State {
            quic,
            window: Cell::new(QUIC_CONNECTION_WINDOW),
            grant: RefCell::new(Grant::new(&RECEIVE)),
            drain: RefCell::new(Drain::new(Instant::now())),
            uploads: Cell::new(0),
            backlog: Backlog::new(),
        }))
    }

    /// Sends a packet to the client. quinn cannot send a PING on request. A larger window must be
    /// announced (MAX_DATA), and reducing it afterwards subtracts the byte from the next
    /// announcement.
    pub(crate) fn announce(&self) {
        let State { quic, window, .. } = &*self.0;
        quic.set_receive_window((window.get() + 1).into());
        quic.set_receive_window(window.get().into());
    }
}

impl State {
    /// Records that so many bytes were read of a stream.
    fn read(&self, bytes: usize) {
        self.backlog.read(bytes as u64);
        let window = self.window.get();
        let most = holding(self.uploads.get());
        if window >= most {
            return;
        }
        let (mut drain, rtt) = (self.drain.borrow_mut(), || self.quic.rtt());
        if drain.drained(bytes as u64, window.into(), Instant::now(), rtt) {
            let window = (window * 2).min(most);
            self.grow(window, |grant, more| grant.grow_within_share(more));
        }
    }

    /// Gives the client room beside content that waits.
    fn make_room(&self, unread: &UnreadContent) {
        let (window, wanted) = (self.window.get(), holding(unread.streams));
        let is_full = unread.bytes + u64::from(BESIDE / 2) > window.into();
        if is_full && wanted > window {
            let reserve = RECEIVE_CREDIT - UNREAD_CREDIT;
            self.grow(wanted, |grant, more| grant.grow(more, reserve));
        }
    }

    fn grow(&self, window: u32, grow: impl FnOnce(&mut Grant, u64) -> bool) {
        let more = window - self.window.get();
        if grow(&mut self.grant.borrow_mut(), more.into()) {
            self.window.set(window);
            self.quic.set_receive_window(window.into());
        }
    }
}

/// A window that holds all that so many streams can send, and leaves room for others.
fn holding(streams: usize) -> u32 {
    let streams = u32::try_from(streams).unwrap_or(u32::MAX);
    let window = streams.saturating_mul(QUIC_STREAM_WINDOW).saturating_add(BESIDE);
    window.min(QUIC_CONNECTION_WINDOW_MOST)
}

/// The part of a stream in the window of its connection.
pub(super) struct StreamReader {
    connection: ConnectionWindow,
    /// The head has been passed on, so what follows is content.
    has_head: bool,
    /// It counts as an upload.
    is_upload: bool,
    /// Content may be waiting.
    is_behind: bool,
}

impl StreamReader {
    pub(super) fn new(connection: ConnectionWindow) -> Self {
        Self { connection, has_head: false, is_upload: false, is_behind: false }
    }

    /// So many bytes were taken from QUIC.
    pub(super) fn read(&self, bytes: usize) {
        self.connection.0.read(bytes);
    }

    /// A piece of a frame was passed on. More may be waiting until its reader asks for it.
    pub(super) fn passed(&mut self) {
        match self.has_head {
            true => self.fall_behind(),
            false => self.has_head = true,
        }
    }

    /// Nothing more has come.
    pub(super) fn waits(&mut self, cx: &Context<'_>) {
        let is_asked_for = !cx.waker().will_wake(Waker::noop());
        if is_asked_for {
            self.catch_up();
        } else if self.has_head {
            // What comes now waits until somebody asks.
            self.fall_behind();
        }
    }

    /// The client has ended the stream, or its content is discarded.
    pub(super) fn end(&mut self) {
        self.catch_up();
        if std::mem::take(&mut self.is_upload) {
            let uploads = &self.connection.0.uploads;
            uploads.set(uploads.get() - 1);
        }
    }

    fn fall_behind(&mut self) {
        if !std::mem::replace(&mut self.is_upload, true) {
            let uploads = &self.connection.0.uploads;
            uploads.set(uploads.get() + 1);
        }
        if !std::mem::replace(&mut self.is_behind, true) {
            self.connection.0.backlog.add();
        }
    }

    fn catch_up(&mut self) {
        if std::mem::take(&mut self.is_behind) {
            self.connection.0.backlog.remove();
        }
    }
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        self.end();
    }
}

/// Looks after content that waits. Polled by the task of the connection.
#[derive(Default)]
pub(crate) struct Lookout(Option<Pin<Box<Sleep>>>);

impl Lookout {
    pub(crate) fn poll(&mut self, window: &ConnectionWindow, cx: &mut Context<'_>) -> Poll<()> {
        let State { backlog, quic, .. } = &*window.0;
        while backlog.is_there(cx) {
            let timer = self.0.get_or_insert_with(|| Box::pin(sleep(QUIC_UNREAD)));
            ready!(timer.as_mut().poll(cx));
            self.0 = None;
            if let Some(unread) = backlog.look(quic.stats().udp_rx.bytes, Instant::now()) {
                window.0.make_room(&unread);
            }
        }
        self.0 = None;
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_its_unread_streams_and_more() {
        assert_eq!(holding(0), QUIC_CONNECTION_WINDOW);
        assert_eq!(holding(1), 2 << 20);
        assert!(holding(3) > 3 * QUIC_STREAM_WINDOW);
        assert_eq!(holding(usize::MAX), QUIC_CONNECTION_WINDOW_MOST);
    }
}
