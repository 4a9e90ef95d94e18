//! TLS on an accepted connection after its handshake. All that one poll of the protocol above
//! writes leaves in one system call: hyper flushes after every HTTP/2 frame; here a flush only sets
//! a mark, and [`Flusher::poll_send`] writes at the end of the connection's poll. A [`BatchedTls`]
//! without its flusher never writes. Records are small at the beginning and after a pause.

use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};

use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::client_stream::ClientStream;
use super::guard::Readable;
use super::record_size::{FULL, RecordSize};
use super::send_order::SendOrder;
use crate::net::tcp_info::TcpInfo;
use crate::server::measure::{Meter, TcpWire, Wire};

/// Smaller writes are collected in a buffer first; larger ones are encrypted in place.
const SMALL: usize = 8 * 1024;
/// Longer than the frame head (RFC 9113 section 4.1) or the chunk size before content: the first
/// part of a write that is longer holds a head.
const FRAME_HEAD: usize = 9;
/// Bytes that wait for the socket before the protocol has to wait too.
const QUEUE: usize = 128 * 1024;

thread_local! {
    /// The buffer for small writes. It is empty between polls, so a worker requires only one.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The stream for the protocol above.
pub(crate) struct BatchedTls(Rc<RefCell<Tls>>);

/// The other handle of a [`BatchedTls`]: sends the buffered data.
pub(crate) struct Flusher(Rc<RefCell<Tls>>);

struct Tls {
    socket: ClientStream,
    session: ServerConnection,
    /// Small writes of this poll, not encrypted yet.
    small: Vec<u8>,
    /// Plaintext bytes encrypted since the socket last took everything.
    queued: usize,
    records: RecordSize,
    /// The protocol waits for room in the queue.
    blocked: bool,
    /// Since when the socket has accepted nothing.
    stalled: Option<Instant>,
    /// Told when the protocol has nothing more to send.
    order: Option<Rc<SendOrder>>,
    /// Told of the connection's packets when it ends.
    meter: Option<Rc<Meter>>,
}

/// Takes over a connection after its handshake.
pub(crate) fn batch(socket: TcpStream, mut session: ServerConnection) -> (BatchedTls, Flusher) {
    // The queue is bounded here, where the protocol can be made to wait.
    session.set_buffer_limit(None);
    let socket = ClientStream::new(socket);
    let tls = Tls {
        socket,
        session,
        small: Vec::new(),
        queued: 0,
        records: RecordSize::new(Instant::now()),
        blocked: false,
        stalled: None,
        order: None,
        meter: None,
    };
    let tls = Rc::new(RefCell::new(tls));
    (BatchedTls(tls.clone()), Flusher(tls))
}

impl Flusher {
    /// Sends the buffered data. `Ready(true)`: the protocol waited for this and must be polled
    /// again.
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let tls = &mut *self.0.borrow_mut();
        ready!(tls.poll_send(cx))?;
        let is_blocked = std::mem::take(&mut tls.blocked);
        if let Some(order) = tls.order.as_ref().filter(|_| !is_blocked) {
            order.drained();
        }
        if let Some(meter) = tls.meter.as_ref().filter(|_| !is_blocked) {
            meter.flushed(|| tls.socket.info());
        }
        Poll::Ready(Ok(is_blocked))
    }

    /// Tells `order` each time when all that the protocol had to send is sent.
    pub(crate) fn report_to(&self, order: Rc<SendOrder>) {
        self.0.borrow_mut().order = Some(order);
    }

    /// As [`Readable::reset_at_close`].
    pub(crate) fn reset_at_close(&self) {
        self.0.borrow().socket.reset_at_close();
    }

    /// Lets `meter` look at the connection, which is ready for requests.
    pub(crate) fn measure(&self, meter: &Rc<Meter>) {
        let wire: Weak<RefCell<Tls>> = Rc::downgrade(&self.0);
        meter.ready(Wire::Tcp(wire));
        self.0.borrow_mut().meter = Some(meter.clone());
    }

    /// Since when the client has accepted nothing of the queue.
    pub(crate) fn stalled(&self) -> Option<Instant> {
        self.0.borrow().stalled
    }
}

impl TcpWire for RefCell<Tls> {
    fn info(&self) -> Option<TcpInfo> {
        self.borrow().socket.info()
    }

    fn is_flushed(&self) -> bool {
        let tls = self.borrow();
        tls.small.is_empty() && !tls.session.wants_write()
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        if let Some(meter) = &self.meter
            && let Some(info) = self.socket.info()
        {
            meter.closed(&info);
        }
    }
}

impl Tls {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.seal()?;
        while self.session.wants_write() {
            match self.session.write_tls(&mut Socket(&mut self.socket, cx)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) if self.stalled.is_none() => {}
                Ok(_) => {
                    let now = Instant::now();
                    self.stalled = Some(now);
                    self.records.taken(now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stalled.get_or_insert_with(Instant::now);
                    return Poll::Pending;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.queued = 0;
        self.stalled = None;
        Poll::Ready(Ok(()))
    }

    /// Encrypts the small writes.
    fn seal(&mut self) -> io::Result<()> {
        if self.small.is_empty() {
            return Ok(());
        }
        let mut small = std::mem::take(&mut self.small);
        self.encrypt(&small)?;
        small.clear();
        SCRATCH.set(small);
        Ok(())
    }

    /// Encrypts in records of the size that the time asks for.
    fn encrypt(&mut self, mut bytes: &[u8]) -> io::Result<usize> {
        let total = bytes.len();
        while !bytes.is_empty() {
            let (record, rest) = bytes.split_at(bytes.len().min(self.records.next()));
            self.session.writer().write_all(record)?;
            self.records.sent(record.len());
            bytes = rest;
        }
        self.queued += total;
        Ok(total)
    }

    /// Encrypts the first of `slices`, or all: how many bytes.
    fn encrypt_many(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut filled = slices.iter().filter(|slice| !slice.is_empty());
        let first = filled.next().map_or(&[][..], |slice| &**slice);
        // A head in the record of its content would wait for that.
        let is_head = (FRAME_HEAD + 1..SMALL).contains(&first.len()) && filled.next().is_some();
        if is_head || self.records.next() < FULL {
            return self.encrypt(first);
        }
        let written = self.session.writer().write_vectored(slices)?;
        self.queued += written;
        Ok(written)
    }

    fn copy(&mut self, slices: &[IoSlice<'_>]) {
        if self.small.capacity() == 0 {
            self.small = SCRATCH.take();
        }
        slices.iter().for_each(|slice| self.small.extend_from_slice(slice));
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut reader = self.session.reader();
            match reader.fill_buf() {
                // Empty: the client's close_notify.
                Ok(plain) => {
                    let count = plain.len().min(out.remaining());
                    out.put_slice(&plain[..count]);
                    reader.consume(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            match self.session.read_tls(&mut Socket(&mut self.socket, cx)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
            if let Err(error) = self.session.process_new_packets() {
                // Sends the alert with the reason; its delivery is not required.
                let _ = self.poll_send(cx);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
        }
    }
}

impl Readable for BatchedTls {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let tls = &mut *self.0.borrow_mut();
        let waits = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        if tls.session.reader().fill_buf().is_err_and(waits) {
            return tls.socket.poll_readable(cx);
        }
        Poll::Ready(())
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tls = &mut *self.0.borrow_mut();
        match ready!(tls.poll_read(cx, &mut ReadBuf::new(&mut []))) {
            Ok(()) if tls.session.reader().fill_buf().is_ok_and(<[u8]>::is_empty) => {
                Poll::Ready(Ok(()))
            }
            Ok(()) => tls.socket.poll_ended(cx),
            // The end of the stream without a close_notify.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn reset_at_close(&self) {
        self.0.borrow().socket.reset_at_close();
    }
}

impl AsyncRead for BatchedTls {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_read(cx, out)
    }
}

impl AsyncWrite for BatchedTls {
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
        let tls = &mut *self.0.borrow_mut();
        if tls.queued >= QUEUE && tls.poll_send(cx)?.is_pending() {
            tls.blocked = true;
            return Poll::Pending;
        }
        if tls.queued == 0 && tls.small.is_empty() {
            tls.records.resume(Instant::now());
        }
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        if total < SMALL && tls.small.len() + total <= FULL {
            tls.copy(slices);
            return Poll::Ready(Ok(total));
        }
        tls.seal()?;
        Poll::Ready(tls.encrypt_many(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The flusher sends it.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tls = &mut *self.0.borrow_mut();
        tls.seal()?;
        tls.session.send_close_notify();
        ready!(tls.poll_send(cx))?;
        Pin::new(&mut tls.socket).poll_shutdown(cx)
    }
}

/// The socket for rustls: `WouldBlock` instead of waiting.
struct Socket<'a, 'b>(&'a mut ClientStream, &'a mut Context<'b>);

impl Read for Socket<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut out = ReadBuf::new(out);
        settle(Pin::new(&mut *self.0).poll_read(self.1, &mut out))?;
        Ok(out.filled().len())
    }
}

impl Write for Socket<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        settle(Pin::new(&mut *self.0).poll_write(self.1, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [one] => self.write(one),
            many => settle(Pin::new(&mut *self.0).poll_write_vectored(self.1, many)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn settle<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
