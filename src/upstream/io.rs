//! The byte stream of a connection to an upstream.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// TCP, TLS over it, or a unix socket.
#[derive(Debug)]
pub enum Io {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl Io {
    /// The peer's address; empty if unknown.
    pub fn peer(&self) -> String {
        let peer = match self {
            Self::Tcp(tcp) => tcp.peer_addr(),
            Self::Tls(tls) => tls.get_ref().0.peer_addr(),
            Self::Unix(unix) => {
                let path =
                    unix.peer_addr().ok().and_then(|at| at.as_pathname().map(Path::to_owned));
                return path.map_or_else(String::new, |path| format!("unix:{}", path.display()));
            }
        };
        peer.map_or_else(|_| String::new(), |peer| peer.to_string())
    }

    /// Whether no bytes and no EOF have arrived since the last response. Makes no system call, so
    /// it may miss recent events.
    pub fn is_quiet(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let ready = match self {
            Self::Tcp(tcp) => tcp.poll_read_ready(&mut cx),
            Self::Tls(tls) => tls.get_ref().0.poll_read_ready(&mut cx),
            Self::Unix(unix) => unix.poll_read_ready(&mut cx),
        };
        // Over TLS the data may be a session ticket.
        ready.is_pending()
            || Pin::new(self).poll_read(&mut cx, &mut ReadBuf::new(&mut [0])).is_pending()
    }

    /// The protocol that ALPN chose.
    pub fn alpn(&self) -> Option<&[u8]> {
        match self {
            Self::Tls(tls) => tls.get_ref().1.alpn_protocol(),
            Self::Tcp(_) | Self::Unix(_) => None,
        }
    }

    /// As [`Io::is_quiet`], with a system call on the socket.
    pub fn is_silent(&self) -> bool {
        let socket = match self {
            Self::Tcp(tcp) => SockRef::from(tcp),
            Self::Tls(tls) => SockRef::from(tls.get_ref().0),
            Self::Unix(unix) => SockRef::from(unix),
        };
        let peeked = socket.peek(&mut [std::mem::MaybeUninit::uninit()]);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut dyn Stream> {
        Pin::new(match self.get_mut() {
            Self::Tcp(tcp) => tcp,
            Self::Tls(tls) => &mut **tls,
            Self::Unix(unix) => unix,
        })
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, out)
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}
