//! A file's bytes as a body: pieces of 64 KiB, each read on the blocking pool when it is asked
//! for, so that a slow client costs one piece of memory.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::find;
use super::ranges::Span;

/// Bytes read at once.
pub(super) const CHUNK: u64 = 64 * 1024;

/// What a body is made of.
#[derive(Debug)]
pub(super) enum Piece {
    /// A part's head in a multipart body.
    Text(Bytes),
    Span(Span),
}

impl Piece {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Span(span) => span.len,
        }
    }
}

/// Pieces of one file, in order.
pub(super) struct FileBody {
    file: Arc<File>,
    pieces: VecDeque<Piece>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    left: u64,
}

impl FileBody {
    pub(super) fn new(file: Arc<File>, pieces: Vec<Piece>) -> Self {
        let left = pieces.iter().map(Piece::len).sum();
        Self { file, pieces: pieces.into(), reading: None, left }
    }

    /// Starts reading the next chunk, or takes the next text.
    fn advance(&mut self) -> Option<Bytes> {
        match self.pieces.front_mut()? {
            Piece::Text(text) => {
                let text = std::mem::take(text);
                self.pieces.pop_front();
                Some(text)
            }
            Piece::Span(span) => {
                let (at, len) = (span.start, span.len.min(CHUNK));
                span.start += len;
                span.len -= len;
                if span.len == 0 {
                    self.pieces.pop_front();
                }
                let file = Arc::clone(&self.file);
                let read = move || find::read(&file, at, len);
                self.reading = Some(tokio::task::spawn_blocking(read));
                None
            }
        }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        while self.left > 0 {
            let bytes = match &mut self.reading {
                Some(reading) => {
                    let read = ready!(Pin::new(reading).poll(cx));
                    self.reading = None;
                    match read.map_err(io::Error::other).flatten() {
                        Ok(bytes) => Some(bytes),
                        Err(error) => {
                            self.left = 0;
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                }
                None => self.advance(),
            };
            if let Some(bytes) = bytes {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
