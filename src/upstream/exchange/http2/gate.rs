//! The byte stream of a connection, between h2 and the upstream, with the windows of [`Windows`].

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::windows::Windows;

/// What the parts of a connection share.
#[derive(Debug)]
pub(super) struct Link {
    windows: RefCell<Windows>,
    /// When the upstream last sent something.
    received: Cell<Instant>,
    /// The upstream did not respond to a PING.
    pub(super) is_dead: Cell<bool>,
    /// The task that reads and writes.
    task: RefCell<Option<Waker>>,
}

impl Link {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            windows: RefCell::default(),
            received: Cell::new(Instant::now()),
            is_dead: Cell::new(false),
            task: RefCell::default(),
        })
    }

    /// The number of requests in progress.
    pub(super) fn streams(&self) -> usize {
        self.windows.borrow().streams()
    }

    pub(super) fn last_received(&self) -> Instant {
        self.received.get()
    }

    /// The upstream has acknowledged SETTINGS that were sent now.
    #[cfg(test)]
    pub(super) fn settle(&self) {
        let now = Instant::now().into_std();
        self.windows.borrow_mut().asked(now);
        self.windows.borrow_mut().settled(now);
    }

    fn register(&self, cx: &Context<'_>) {
        let mut task = self.task.borrow_mut();
        task.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
    }
}

/// A request in progress on a connection.
#[derive(Debug)]
pub(super) struct Place {
    link: Rc<Link>,
    stream: u32,
}

impl Place {
    pub(super) fn new(link: Rc<Link>, stream: u32) -> Self {
        link.windows.borrow_mut().open(stream, Instant::now().into_std());
        Self { link, stream }
    }

    /// The client has received content.
    pub(super) fn drained(&self, bytes: usize, now: Instant) {
        if self.link.windows.borrow_mut().drained(self.stream, bytes, now.into_std()) {
            self.link.task.borrow().iter().for_each(Waker::wake_by_ref);
        }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.link.is_dead.get()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.link.windows.borrow_mut().close(self.stream);
    }
}

#[derive(Debug)]
pub(super) struct Gate<T> {
    io: T,
    link: Rc<Link>,
    incoming: Incoming,
    outgoing: Outgoing,
}

impl<T> Gate<T> {
    pub(super) fn new(io: T, link: Rc<Link>) -> Self {
        Self { io, link, incoming: Incoming::default(), outgoing: Outgoing::new() }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Gate<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = out.filled().len();
        this.link.register(cx);
        ready!(Pin::new(&mut this.io).poll_read(cx, out))?;
        let fresh = &out.filled()[before..];
        if !fresh.is_empty() {
            let now = Instant::now();
            this.link.received.set(now);
            let mut windows = this.link.windows.borrow_mut();
            let followed = this.incoming.follow(fresh, &mut windows, now.into_std());
            followed.map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> Gate<T> {
    /// Sends what comes before further bytes of h2.
    fn poll_before(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let before = self.outgoing.before(&mut self.link.windows.borrow_mut());
            if before.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, before))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            before.advance(written);
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Gate<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_before(cx))?;
        let all: usize = slices.iter().map(|slice| slice.len()).sum();
        let passable = this.outgoing.passable(slices).min(all);
        let Some(first) = slices.iter().find(|slice| !slice.is_empty()) else {
            return Poll::Ready(Ok(0));
        };
        if passable == 0 {
            let mut windows = this.link.windows.borrow_mut();
            let taken = this.outgoing.take(first, &mut windows, Instant::now().into_std());
            return Poll::Ready(Ok(taken));
        }
        let cut = [IoSlice::new(&first[..first.len().min(passable)])];
        let part = if passable == all { slices } else { &cut };
        let written = ready!(Pin::new(&mut this.io).poll_write_vectored(cx, part))?;
        this.outgoing.passed(slices, written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_before(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
