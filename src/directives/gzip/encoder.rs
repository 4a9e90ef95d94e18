//! A compressor with the bytes that it gave. Its tables are a quarter of a mebibyte, hence each
//! worker keeps some that are done for the next responses.

use std::cell::RefCell;
use std::io;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

/// Compressors that a worker keeps.
const SPARE: usize = 8;
/// Room made for compressed bytes at once.
const ROOM: usize = 16 * 1024;
/// The largest window, 32 KiB (RFC 1951 section 2).
const WINDOW_BITS: u8 = 15;

thread_local! {
    static SPARES: RefCell<Vec<(Compression, Compress)>> = const { RefCell::new(Vec::new()) };
}

/// One response's compression to gzip (RFC 1952).
pub(super) struct Encoder {
    level: Compression,
    /// There until it is given back.
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

    /// Compresses some more; what comes out waits.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.run(bytes, FlushCompress::None)
    }

    /// The number of bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.out.len()
    }

    /// The bytes that wait.
    pub(super) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.out).into()
    }

    /// All that can be decoded so far.
    pub(super) fn flush(&mut self) -> io::Result<Bytes> {
        self.run(&[], FlushCompress::Sync)?;
        Ok(self.take())
    }

    /// The rest, and the end of the stream.
    pub(super) fn finish(&mut self) -> io::Result<Bytes> {
        self.run(&[], FlushCompress::Finish)?;
        Ok(self.take())
    }

    /// Until all bytes are taken in, and what `flush` asks for is out: then there is room left.
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
        // A thread that ends has no spares any more.
        let _ = SPARES.try_with(|spares| {
            let mut spares = spares.borrow_mut();
            if spares.len() < SPARE {
                compress.reset();
                spares.push((self.level, compress));
            }
        });
    }
}
