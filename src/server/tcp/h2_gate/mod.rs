//! Checks an HTTP/2 client's frames before hyper's h2 reads them. h2 removes the fragment of a
//! path, drops pseudo-header fields in trailers and closes the connection for an invalid field, and
//! reports none of it. A field block that passes is forwarded unchanged; any other is replaced by
//! one that the service answers with an error or that ends the stream. From the first replacement
//! on, h2's dynamic table differs from the client's, so all later blocks are forwarded as literals.
//! Content waits here that comes in windows larger than those of h2.

mod field_block;
mod flow;
#[cfg(test)]
mod flow_tests;
mod framer;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod interim;
#[cfg(test)]
mod interim_tests;
mod position;
mod priorities;
mod refusals;
mod secret;
mod sent;
mod stop;
mod streams;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod upload_tests;
mod uploads;
mod windows;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::{Request, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::framer::Framer;
pub(crate) use self::interim::Interim;
pub(crate) use self::refusals::Refusals;
use self::stop::{Reason, Replacement, Stop};
use super::send_order::SendOrder;
use crate::http2_frames::{DATA, Frame, SETTINGS};
use crate::server::bad_head::Refused;

/// Capacity of the buffer that is kept.
const KEPT: usize = 512;

/// What the gate shares with the service.
#[derive(Debug, Clone)]
pub(crate) struct GateLinks {
    pub(crate) refusals: Refusals,
    pub(crate) interim: Interim,
    pub(crate) order: Rc<SendOrder>,
}

impl GateLinks {
    /// h2 sends HEADERS or DATA.
    fn answered(&self, frame: Frame) {
        self.interim.answered(frame);
        if frame.kind == DATA {
            self.order.sent(frame.length);
        }
    }

    /// Reads SETTINGS or a PRIORITY_UPDATE; `last` is the last stream that the client has opened.
    fn read(&self, frame: Frame, payload: &[u8], last: u32) -> Result<(), Reason> {
        if frame.kind != SETTINGS {
            return priorities::update(&self.order, frame, payload, last);
        }
        self.interim.settings(payload);
        priorities::settings(&self.order, payload)
    }
}

/// The wrapper around a client's connection.
pub(crate) struct H2Gate<T, F: Fn(Request<()>, StatusCode)> {
    io: T,
    framer: Framer,
    /// Bytes received and not yet passed on; the first `ready` of them may pass.
    kept: Vec<u8>,
    ready: usize,
    /// h2 has sent nothing.
    is_fresh: bool,
    /// Told of each request that is refused without an answer.
    refused: F,
}

impl<T, F: Fn(Request<()>, StatusCode)> H2Gate<T, F> {
    /// Requests with fields of `most` bytes or more are refused. Those that get a response are in
    /// `refusals`; `refused` is called for the others.
    pub(crate) fn new(io: T, most: usize, links: GateLinks, refused: F) -> Self {
        let framer = Framer::new(most, links);
        Self { io, framer, kept: Vec::new(), ready: 0, is_fresh: true, refused }
    }

    fn pass_kept(&mut self, out: &mut ReadBuf<'_>) {
        let count = self.ready.min(out.remaining());
        out.put_slice(&self.kept[..count]);
        self.kept.drain(..count);
        self.ready -= count;
        if self.kept.is_empty() {
            // Releases a large buffer, which may never be required again.
            self.kept.shrink_to(KEPT);
        }
    }

    /// Checks the buffered bytes.
    fn judge_kept(&mut self) {
        loop {
            let (pass, stop) = self.framer.advance(&self.kept[self.ready..]);
            self.ready += pass;
            match stop {
                Stop::More => return,
                Stop::Replace(replacement) => self.replace(*replacement),
            }
        }
    }

    /// Checks the bytes read into `out` after `before`, and takes back those that may not pass
    /// unchanged.
    fn judge_read(&mut self, out: &mut ReadBuf<'_>, before: usize) {
        let fresh = &out.filled()[before..];
        if !self.kept.is_empty() {
            self.kept.extend_from_slice(fresh);
            out.set_filled(before);
            return self.judge_kept();
        }
        let (pass, stop) = self.framer.advance(fresh);
        self.kept.extend_from_slice(&fresh[pass..]);
        out.set_filled(before + pass);
        if let Stop::Replace(replacement) = stop {
            self.replace(*replacement);
            self.judge_kept();
        }
    }

    /// Replaces bytes after those that are ready.
    fn replace(&mut self, Replacement { bytes, by, unanswered }: Replacement) {
        self.kept.splice(self.ready..self.ready + bytes, by.iter().copied());
        self.ready += by.len();
        if let Some(Refused { head, status }) = unanswered {
            (self.refused)(head, status);
        }
    }
}

impl<T: AsyncRead + Unpin, F: Fn(Request<()>, StatusCode) + Unpin> AsyncRead for H2Gate<T, F> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = out.filled().len();
        loop {
            if this.ready == 0 && this.framer.has_ready() {
                this.judge_kept();
            }
            if this.ready > 0 {
                this.pass_kept(out);
                return Poll::Ready(Ok(()));
            }
            if this.framer.has_ended() {
                return Poll::Ready(Ok(()));
            }
            this.framer.register(cx);
            ready!(Pin::new(&mut this.io).poll_read(cx, out))?;
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

impl<T: AsyncWrite + Unpin, F: Fn(Request<()>, StatusCode)> H2Gate<T, F> {
    /// Sends the frames for the client that must be between two frames of h2.
    fn poll_owed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(owed) = self.framer.owed() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, owed))?;
            owed.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn sent(&mut self, slices: &[IoSlice<'_>], mut written: usize, cx: &mut Context<'_>) {
        for slice in slices {
            let part = &slice[..slice.len().min(written)];
            self.framer.sent(part);
            written -= part.len();
        }
        if self.framer.has_ready() {
            // h2 may have read already in this turn.
            cx.waker().wake_by_ref();
        }
    }
}

impl<T: AsyncWrite + Unpin, F: Fn(Request<()>, StatusCode) + Unpin> AsyncWrite for H2Gate<T, F> {
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
        ready!(this.poll_owed(cx))?;
        if std::mem::take(&mut this.is_fresh)
            && let Some(replaced) = slices.first().and_then(|slice| this.framer.begin(slice))
        {
            return Poll::Ready(Ok(replaced));
        }
        let first = slices.iter().find(|slice| !slice.is_empty());
        let cut = first.and_then(|first| Some(&first[..this.framer.before_interim(first)?]));
        let cut = cut.map(|cut| [IoSlice::new(cut)]);
        let slices = cut.as_ref().map_or(slices, |cut| &cut[..]);
        let written = ready!(Pin::new(&mut this.io).poll_write_vectored(cx, slices))?;
        this.sent(slices, written, cx);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_owed(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

impl<T, F: Fn(Request<()>, StatusCode)> Drop for H2Gate<T, F> {
    /// The connection has ended with an incomplete header section.
    fn drop(&mut self) {
        if let Some(Refused { head, status }) = self.framer.unfinished(&self.kept[self.ready..]) {
            (self.refused)(head, status);
        }
    }
}
