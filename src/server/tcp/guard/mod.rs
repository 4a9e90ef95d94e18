//! A strict reader of HTTP/1.1 framing between a client's connection and hyper, which tolerates or
//! hides violations (RFC 9112 sections 2, 3, 6, 7). Bytes of valid messages pass unchanged. A bad
//! head is replaced by a valid one, whose request is answered with the error status; a bad body is
//! an I/O error.

mod framer;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod handle;
mod head;
mod interim;
mod limits;
mod readable;

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::limits::{LINGERING_CLOSE, UPGRADE_AHEAD_BYTES};
use framer::{Framer, Stop};
pub(crate) use handle::GuardHandle;
use handle::{Phase, Shared, wake};
use interim::Interim;
pub(crate) use limits::GuardLimits;
pub(crate) use readable::Readable;

/// The head that hyper gets in place of an invalid one.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: invalid\r\nconnection: close\r\n\r\n";
/// Most bytes of an invalid head that are kept for the log.
const REPLACED_BYTES: usize = 16 * 1024;

/// The wrapper around a client's connection.
#[derive(Debug)]
pub(crate) struct Guard<T> {
    io: T,
    shared: Rc<RefCell<Shared>>,
    framer: Framer,
    /// Bytes received and not yet passed on; the first `ready` of them may pass.
    kept: Vec<u8>,
    ready: usize,
    end: End,
    /// Since when the client has accepted nothing, if the last write is incomplete.
    unsent: Option<Instant>,
    /// Since the last flush there was a write, or a read is pending: either detects a disconnect.
    attended: bool,
    /// The client has ended its direction while nothing was read.
    left: bool,
    /// Runs while the rest of a request is read before the close.
    linger: Option<Pin<Box<Sleep>>>,
}

/// How the connection ends, once it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    /// The replacement was passed on: nothing follows it.
    Silent,
    /// The framing of a body is invalid.
    Broken,
}

impl<T> Guard<T> {
    pub(crate) fn new(io: T, limits: GuardLimits) -> Self {
        let shared = Shared {
            heads: 0,
            begun: 0,
            verdict: None,
            replaced: Vec::new(),
            broken: None,
            phase: Phase::Idle,
            head_started: None,
            transparent: false,
            refused: false,
            reader: None,
            quiet: true,
            unsent: None,
            left: false,
            interim: Interim::default(),
        };
        Self {
            io,
            shared: Rc::new(RefCell::new(shared)),
            framer: Framer::new(limits),
            kept: Vec::new(),
            ready: 0,
            end: End::Open,
            unsent: None,
            attended: false,
            left: false,
            linger: None,
        }
    }

    pub(crate) fn handle(&self) -> GuardHandle {
        GuardHandle(self.shared.clone())
    }

    /// What there is of a head that is not all here.
    pub(crate) fn unfinished(&self) -> Option<&[u8]> {
        let is_begun = self.shared.borrow().phase == Phase::Head;
        is_begun.then(|| &self.kept[self.ready..])
    }

    /// Takes back bytes that were passed last and have not been used.
    pub(crate) fn put_back(&mut self, bytes: &[u8]) {
        self.kept.splice(..0, bytes.iter().copied());
        self.ready += bytes.len();
        self.kept.shrink_to_fit();
    }

    fn pass_kept(&mut self, out: &mut ReadBuf<'_>) {
        let count = self.ready.min(out.remaining());
        out.put_slice(&self.kept[..count]);
        self.kept.drain(..count);
        self.ready -= count;
    }

    /// Checks the buffered bytes.
    fn judge_kept(&mut self) {
        let (pass, stop) = self.framer.advance(&self.kept);
        self.ready = pass;
        self.settle(stop);
    }

    /// Checks the bytes read into `out` after `before`, and takes back those that may not pass yet.
    fn judge_read(&mut self, out: &mut ReadBuf<'_>, before: usize) {
        let fresh = &out.filled()[before..];
        let mut pass = 0;
        if self.kept.is_empty() && !self.framer.holds() {
            let stop;
            (pass, stop) = self.framer.advance(fresh);
            self.kept.extend_from_slice(&fresh[pass..]);
            self.settle(stop);
        } else {
            self.kept.extend_from_slice(fresh);
            if !self.framer.holds() {
                self.judge_kept();
            }
        }
        out.set_filled(before + pass);
    }

    fn settle(&mut self, stop: Stop) {
        let mut shared = self.shared.borrow_mut();
        shared.heads = self.framer.heads();
        match stop {
            Stop::More => {}
            Stop::BadHead(status) => {
                shared.heads += 1;
                shared.verdict = Some((shared.heads, status));
                let head = &self.kept[self.ready..];
                shared.replaced = head[..head.len().min(REPLACED_BYTES)].to_vec();
                self.kept.truncate(self.ready);
                self.kept.extend_from_slice(STAND_IN);
                self.ready = self.kept.len();
                self.end = End::Silent;
            }
            Stop::BadBody => {
                shared.broken = Some(StatusCode::BAD_REQUEST);
                self.kept.truncate(self.ready);
                self.end = End::Broken;
            }
        }
        shared.phase = if self.framer.in_body() {
            Phase::Body
        } else if self.kept.len() > self.ready && !self.framer.holds() {
            Phase::Head
        } else {
            Phase::Idle
        };
        shared.head_started = match shared.phase {
            Phase::Head => shared.head_started.or_else(|| Some(Instant::now())),
            _ => None,
        };
        let is_open = self.end == End::Open && !self.framer.holds();
        shared.quiet = is_open && shared.phase == Phase::Idle;
    }

    /// Detects from the response whether an upgrade took place. Earlier requests have been
    /// answered, as the service processes one at a time.
    fn observe_response(&mut self, bytes: &[u8]) {
        if !self.framer.may_upgrade() || !bytes.starts_with(b"HTTP/1.") {
            return;
        }
        let Some(status) = bytes.get(9..12) else { return };
        let mut shared = self.shared.borrow_mut();
        if shared.begun != shared.heads {
            return;
        }
        match (status, self.framer.is_connect()) {
            (b"101", false) | ([b'2', ..], true) => shared.transparent = true,
            ([b'1', ..], _) => return,
            _ => self.framer.release(),
        }
        wake(&mut shared);
    }

    fn note_write<N>(&mut self, written: Poll<io::Result<N>>) -> Poll<io::Result<N>> {
        self.attended = true;
        if self.unsent.is_some() != written.is_pending() {
            self.unsent = written.is_pending().then(Instant::now);
            self.shared.borrow_mut().unsent = self.unsent;
        }
        written
    }
}

impl<T: Readable> Guard<T> {
    /// Checks, while nothing is read, whether the client is still connected; returns an error if it
    /// has aborted. Within a body, its reader is informed of the end.
    fn look(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        // A tunnel may be half-closed from its first byte on.
        if self.left || self.framer.may_upgrade() {
            return Ok(());
        }
        match self.io.poll_ended(cx) {
            Poll::Ready(Ok(())) if !self.framer.in_body() => {
                self.left = true;
                self.shared.borrow_mut().left = true;
                Ok(())
            }
            Poll::Ready(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }
}

impl<T: Readable> Readable for Guard<T> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ready > 0 { Poll::Ready(()) } else { self.io.poll_readable(cx) }
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_ended(cx)
    }

    fn reset_at_close(&self) {
        self.io.reset_at_close();
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guard<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = out.filled().len();
        loop {
            if this.ready > 0 || out.remaining() == 0 {
                this.pass_kept(out);
                return Poll::Ready(Ok(()));
            }
            match this.end {
                End::Open => {}
                End::Silent => return Poll::Pending,
                End::Broken => return Poll::Ready(Err(broken())),
            }
            if this.shared.borrow().transparent {
                this.ready = this.kept.len();
                if this.ready == 0 {
                    return Pin::new(&mut this.io).poll_read(cx, out);
                }
                continue;
            }
            if this.framer.holds() && std::mem::take(&mut this.shared.borrow_mut().refused) {
                this.framer.release();
            }
            if this.framer.take_released() && !this.kept.is_empty() {
                this.judge_kept();
                continue;
            }
            if this.framer.holds() {
                this.shared.borrow_mut().reader = Some(cx.waker().clone());
                if this.kept.len() >= UPGRADE_AHEAD_BYTES {
                    return Poll::Pending;
                }
            }
            let polled = Pin::new(&mut this.io).poll_read(cx, out);
            this.attended |= polled.is_pending();
            ready!(polled)?;
            if out.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            this.judge_read(out, before);
            if out.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> Guard<T> {
    /// Sends the interim responses, of which hyper knows nothing.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.shared.borrow_mut();
        if !shared.interim.is_waiting() {
            return Poll::Ready(Ok(()));
        }
        let written = shared.interim.poll_write(&mut self.io, cx);
        drop(shared);
        self.note_write(written)
    }

    /// hyper writes `bytes`.
    fn poll_begin(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_interim(cx))?;
        self.shared.borrow_mut().interim.begun();
        self.observe_response(bytes);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Readable + Unpin> AsyncWrite for Guard<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_begin(bytes, cx))?;
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.note_write(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let first = slices.iter().find(|slice| !slice.is_empty());
        ready!(this.poll_begin(first.map_or(&[], |slice| slice), cx))?;
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.note_write(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// hyper flushes on each poll. It does not read while a request waits for its response, so a
    /// disconnect is detected here.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !std::mem::take(&mut this.attended) {
            this.look(cx)?;
        }
        this.shared.borrow_mut().interim.flushed();
        ready!(this.poll_interim(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    /// If the response did not wait for the whole request, the rest is read and discarded for a
    /// while: closing at once would reset the connection and destroy the response (RFC 9112 section
    /// 9.6).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.shared.borrow_mut().quiet = false;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            // The rest of a replaced head follows.
            if this.end == End::Open && this.shared.borrow().phase == Phase::Idle {
                return Poll::Ready(Ok(()));
            }
        }
        let linger =
            this.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGERING_CLOSE)));
        let mut scrap = [0_u8; 4096];
        while linger.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut scrap);
            match ready!(Pin::new(&mut this.io).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the request body's framing is broken")
}

#[cfg(test)]
mod tests;
