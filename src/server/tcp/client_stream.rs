//! A client's TCP connection whose end is noticed behind unread bytes. epoll reports it
//! (EPOLLRDHUP), but tokio wakes no task for it while it believes that bytes are readable. So that
//! state is cleared, and the next read asks the kernel first.

use std::io::{self, IoSlice, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::guard::Readable;
use crate::net::tcp_info::{TcpInfo, tcp_info};

pub(crate) struct ClientStream {
    socket: TcpStream,
    /// The socket has bytes, but tokio's readiness has been cleared.
    forgotten: bool,
}

impl ClientStream {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self { socket, forgotten: false }
    }

    /// What the kernel tells of the connection.
    pub(crate) fn info(&self) -> Option<TcpInfo> {
        tcp_info(&self.socket)
    }

    /// Clears tokio's readiness, so that it waits for the next event although bytes are available.
    fn forget(&mut self) {
        self.forgotten = true;
        let forget = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _ = self.socket.try_io(Interest::READABLE, forget);
    }

    /// Whether the client has ended its direction, or the connection has failed.
    fn is_read_closed(&self) -> bool {
        let ready = self.socket.ready(Interest::READABLE).now_or_never();
        ready.is_some_and(|ready| ready.is_ok_and(|ready| ready.is_read_closed()))
    }

    /// Reads bytes that tokio does not report. Pending: there are none.
    fn poll_forgotten(&mut self, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wanted = out.remaining();
        let read = (&*SockRef::from(&self.socket)).read(out.initialize_unfilled());
        // After a full read there may be more bytes.
        self.forgotten = read.as_ref().is_ok_and(|read| *read == wanted);
        match read {
            Ok(read) => {
                out.advance(read);
                Poll::Ready(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Readable for ClientStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.forgotten { Poll::Ready(()) } else { self.socket.poll_read_ready(cx).map(drop) }
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if ready!(self.socket.poll_peek(cx, &mut ReadBuf::new(&mut [0])))? == 0 {
                return Poll::Ready(Ok(()));
            }
            if self.is_read_closed() {
                let broken = self.socket.take_error()?;
                return Poll::Ready(broken.map_or(Ok(()), Err));
            }
            self.forget();
        }
    }

    fn reset_at_close(&self) {
        // A socket that is not connected any more has nothing to drop.
        let _ = self.socket.set_zero_linger();
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.forgotten
            && out.remaining() > 0
            && let Poll::Ready(read) = self.poll_forgotten(out)
        {
            return Poll::Ready(read);
        }
        Pin::new(&mut self.socket).poll_read(cx, out)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
