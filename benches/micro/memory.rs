//! A QUIC connection in memory with one request stream, for h3 to take the request's head from.

use std::task::{Context, Poll, Waker};

use bytes::{BufMut, Bytes, BytesMut};
use h3::error::Code;
use h3::quic::{
    self, ConnectionErrorIncoming, RecvStream, SendStream, StreamErrorIncoming, StreamId, WriteBuf,
};
use h3::server;

/// Fields with indices of the static table where a browser's encoder uses them, else literals
/// with literal names; without Huffman coding, which is the sender's choice.
const INDEXED: &[u8] = &[0xc0 | 17, 0xc0 | 23];
const LITERAL: &[(&str, &str)] = &[
    (":authority", "www.example.com"),
    (":path", "/index.html?page=1"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://www.example.com/a/page.html"),
    ("cookie", "session=0123456789abcdef0123456789abcdef"),
];

/// An HTTP/3 connection that stands, with a request at its door.
pub struct Accepting {
    connection: server::Connection<Memory, Bytes>,
}

impl Accepting {
    pub fn new() -> Self {
        let mut context = Context::from_waker(Waker::noop());
        let made = Box::pin(server::Connection::new(Memory { stream: Some(head_frame()) }));
        match made.poll_once(&mut context) {
            Poll::Ready(Ok(connection)) => Self { connection },
            Poll::Ready(Err(error)) => panic!("{error}"),
            Poll::Pending => panic!("nothing waits in memory"),
        }
    }

    pub fn request(&mut self) -> http::Request<()> {
        let mut context = Context::from_waker(Waker::noop());
        let accepted = Box::pin(self.connection.accept()).poll_once(&mut context);
        let Poll::Ready(Ok(Some(resolver))) = accepted else { panic!("no request") };
        let resolved = Box::pin(resolver.resolve_request()).poll_once(&mut context);
        let Poll::Ready(Ok((request, stream))) = resolved else { panic!("no head") };
        // Its end closes nothing that is counted.
        std::mem::forget(stream);
        request
    }
}

/// Polls a pinned future once.
trait PollOnce {
    type Output;
    fn poll_once(self, context: &mut Context<'_>) -> Poll<Self::Output>;
}

impl<F: Future> PollOnce for std::pin::Pin<Box<F>> {
    type Output = F::Output;
    fn poll_once(mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        self.as_mut().poll(context)
    }
}

/// A HEADERS frame (RFC 9114 section 7.2.2) around a field section (RFC 9204 section 4.5).
fn head_frame() -> Bytes {
    let mut section = BytesMut::new();
    section.put_u16(0);
    section.put_slice(INDEXED);
    for (name, value) in LITERAL {
        integer(&mut section, 0x20, 3, name.len());
        section.put_slice(name.as_bytes());
        integer(&mut section, 0, 7, value.len());
        section.put_slice(value.as_bytes());
    }
    let mut frame = BytesMut::new();
    frame.put_u8(1);
    frame.put_u16(0x4000 | section.len() as u16);
    frame.put_slice(&section);
    frame.freeze()
}

fn integer(out: &mut BytesMut, flags: u8, bits: u8, mut value: usize) {
    let most = (1_usize << bits) - 1;
    if value < most {
        out.put_u8(flags | value as u8);
        return;
    }
    out.put_u8(flags | most as u8);
    value -= most;
    while value >= 128 {
        out.put_u8(value as u8 | 128);
        value -= 128;
    }
    out.put_u8(value as u8);
}

/// The connection: `stream` is what the client sent on its first request stream.
struct Memory {
    stream: Option<Bytes>,
}

impl quic::Connection<Bytes> for Memory {
    type RecvStream = Stream;
    type OpenStreams = Self;

    fn poll_accept_recv(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<Result<Stream, ConnectionErrorIncoming>> {
        Poll::Pending
    }

    fn poll_accept_bidi(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<Result<Stream, ConnectionErrorIncoming>> {
        match self.stream.take() {
            Some(bytes) => Poll::Ready(Ok(Stream { id: 0, bytes: Some(bytes) })),
            None => Poll::Pending,
        }
    }

    fn opener(&self) -> Self {
        Self { stream: None }
    }
}

impl quic::OpenStreams<Bytes> for Memory {
    type BidiStream = Stream;
    type SendStream = Stream;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Stream, StreamErrorIncoming>> {
        Poll::Ready(Ok(Stream { id: 1, bytes: None }))
    }

    fn poll_open_send(&mut self, _: &mut Context<'_>) -> Poll<Result<Stream, StreamErrorIncoming>> {
        Poll::Ready(Ok(Stream { id: 3, bytes: None }))
    }

    /// As the connection is dropped, behind what is counted.
    fn close(&mut self, _: Code, _: &[u8]) {}
}

/// A stream: gives its bytes once, and swallows what is written.
struct Stream {
    id: u64,
    bytes: Option<Bytes>,
}

impl Stream {
    fn stream_id(&self) -> StreamId {
        self.id.try_into().unwrap_or_else(|_| panic!("an id"))
    }
}

impl SendStream<Bytes> for Stream {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        drop(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self, code: u64) {
        panic!("reset with {code:#x}");
    }

    fn send_id(&self) -> StreamId {
        self.stream_id()
    }
}

impl RecvStream for Stream {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        Poll::Ready(Ok(self.bytes.take()))
    }

    fn stop_sending(&mut self, code: u64) {
        panic!("stopped with {code:#x}");
    }

    fn recv_id(&self) -> StreamId {
        self.stream_id()
    }
}

impl quic::BidiStream<Bytes> for Stream {
    type SendStream = Self;
    type RecvStream = Self;

    fn split(self) -> (Self, Self) {
        (Self { id: self.id, bytes: None }, self)
    }
}
