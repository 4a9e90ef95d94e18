//! A compressor and its output buffer. Its tables need 256 KiB, so each worker keeps some for later
//! responses.

use std::cell::RefCell;
use std::io;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

/// Most compressors that a worker keeps.
const SPARE: usize = 8;
/// Bytes by which the output buffer grows.
const ROOM: usize = 16 * 1024;
/// The largest window, 32 KiB (RFC 1951 section 2).
const WINDOW_BITS: u8 = 15;

thread_local! {
    static SPARES: RefCell<Vec<(Compression, Compress)>> = const { RefCell::new(Vec::new()) };
}

/// The gzip compression (RFC 1952) of one response.
pub(super) struct Encoder {
    level: Compression,
    /// `Some` until it is returned to the worker.
    compress: Option<Compress>,
    out: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(level: Compression) -> Self {
        let spare = SPARES.with_borrow_mut(|spares| {
            let at = spares.iter().position(|(its, _)| *its == level)?;
            Some(spares.swap_remove(at).1)
        });
        let compress = spare.unwrap_or_else(|| Compress::new_gzip(level, WINDOW_BITS));
        Self { level, compress: Some(compress), out: Vec::new() }
    }

    /// Compresses more input; the output is buffered.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.run(bytes, FlushCompress::None)
    }

    /// Number of buffered bytes.
    pub(super) fn waiting(&self) -> usize {
        self.out.len()
    }

    /// The buffered bytes.
    pub(super) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.out).into()
    }

    /// Flushes, so that everything so far can be decompressed.
    pub(super) fn flush(&mut self) -> io::Result<Bytes> {
        self.run(&[], FlushCompress::Sync)?;
        Ok(self.take())
    }

    /// The remaining output and the end of the stream.
    pub(super) fn finish(&mut self) -> io::Result<Bytes> {
        self.run(&[], FlushCompress::Finish)?;
        Ok(self.take())
    }

    /// Repeats until the input is consumed and `flush` is complete, which is when room is left.
    fn run(&mut self, mut bytes: &[u8], flush: FlushCompress) -> io::Result<()> {
        let compress = self.compress.as_mut().ok_or_else(|| io::Error::other("no compressor"))?;
        loop {
            if self.out.spare_capacity_mut().is_empty() {
                self.out.reserve(ROOM);
            }
            let before = compress.total_in();
            let status = compress.compress_vec(bytes, &mut self.out, flush)?;
            let taken = usize::try_from(compress.total_in() - before).map_err(io::Error::other)?;
            bytes = bytes.get(taken..).unwrap_or_default();
            let has_room = !self.out.spare_capacity_mut().is_empty();
            if status == Status::StreamEnd || (bytes.is_empty() && has_room) {
                return Ok(());
            }
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let Some(mut compress) = self.compress.take() else { return };
        // The thread-local spares are gone when the thread ends.
        let _ = SPARES.try_with(|spares| {
            let mut spares = spares.borrow_mut();
            if spares.len() < SPARE {
                compress.reset();
                spares.push((self.level, compress));
            }
        });
    }
}
