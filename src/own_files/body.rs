//! The body of a file response, read in pieces of 64 KiB, so that a slow client occupies one piece
//! of memory. Pages in the kernel's cache are read at once, others on the blocking pool.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::task::JoinHandle;

use crate::http::byte_ranges::ByteRange;

/// Bytes of one read; smaller files are read completely at the look-up.
pub const CHUNK: u64 = 64 * 1024;

/// The content of a file, or the open file.
#[derive(Debug, Clone)]
pub enum Source {
    Content(Bytes),
    File(Arc<File>),
}

/// The parts of a body.
#[derive(Debug)]
pub enum Piece {
    /// The header section of a part in a multipart body.
    Text(Bytes),
    Span(ByteRange),
}

impl Piece {
    pub fn size(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Span(span) => span.len,
        }
    }
}

/// Pieces of one file, in order.
pub struct FileBody {
    source: Source,
    pieces: VecDeque<Piece>,
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
    left: u64,
}

impl FileBody {
    pub fn new(source: Source, pieces: Vec<Piece>) -> Self {
        let left = pieces.iter().map(Piece::size).sum();
        Self { source, pieces: pieces.into(), reading: None, left }
    }

    /// Takes the next bytes, or starts to read them.
    fn advance(&mut self) -> io::Result<Option<Bytes>> {
        let span = match self.pieces.front_mut() {
            Some(Piece::Span(span)) => span,
            Some(Piece::Text(text)) => {
                let text = std::mem::take(text);
                self.pieces.pop_front();
                return Ok(Some(text));
            }
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        let (at, len) = (span.start, span.len.min(CHUNK));
        let bytes = match &self.source {
            Source::Content(content) => Some(slice(content, *span)?),
            Source::File(file) => {
                let mut buffer = vec![0; usize::try_from(len).map_err(io::Error::other)?];
                match read_cached(file, &mut buffer, at)? {
                    Some(count) => {
                        buffer.truncate(count);
                        Some(buffer.into())
                    }
                    None => {
                        let file = Arc::clone(file);
                        let read = move || file.read_exact_at(&mut buffer, at).map(|()| buffer);
                        self.reading = Some(tokio::task::spawn_blocking(read));
                        None
                    }
                }
            }
        };
        let taken = bytes.as_ref().map_or(len, |bytes| bytes.len() as u64);
        span.start += taken;
        span.len -= taken;
        if span.len == 0 {
            self.pieces.pop_front();
        }
        Ok(bytes)
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let read = ready!(Pin::new(reading).poll(cx));
                self.reading = None;
                return Poll::Ready(read.map_err(io::Error::other).flatten().map(Bytes::from));
            }
            if let Some(bytes) = self.advance()? {
                return Poll::Ready(Ok(bytes));
            }
        }
    }
}

fn slice(content: &Bytes, span: ByteRange) -> io::Result<Bytes> {
    let start = usize::try_from(span.start).map_err(io::Error::other)?;
    let len = usize::try_from(span.len).map_err(io::Error::other)?;
    Ok(content.slice(start..start + len))
}

/// Reads what is in the page cache; `None` if the disk must be read, or if the file system does not
/// support the check.
fn read_cached(file: &File, buffer: &mut [u8], at: u64) -> io::Result<Option<usize>> {
    match preadv2(file, &mut [IoSliceMut::new(buffer)], at, ReadWriteFlags::NOWAIT) {
        // The file has become shorter than the announced length.
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(count) => Ok(Some(count)),
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let read = ready!(self.poll_bytes(cx));
        self.left = match &read {
            Ok(bytes) => self.left.saturating_sub(bytes.len() as u64),
            Err(_) => 0,
        };
        Poll::Ready(Some(read.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
