//! gzip (RFC 1952). The tables of a compressor need 256 KiB, so each worker keeps some for later
//! responses.

use std::cell::RefCell;
use std::io;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::step::{ROOM, Then};

/// Most compressors that a worker keeps.
const SPARE: usize = 8;
/// The largest window, 32 KiB (RFC 1951 section 2).
const WINDOW_BITS: u8 = 15;

thread_local! {
    static SPARES: RefCell<Vec<(Compression, Compress)>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct GzipCompressor {
    level: Compression,
    /// `Some` until it is returned to the worker.
    compress: Option<Compress>,
}

impl GzipCompressor {
    pub(super) fn new(level: Compression) -> Self {
        let spare = SPARES.with_borrow_mut(|spares| {
            let at = spares.iter().position(|(its, _)| *its == level)?;
            Some(spares.swap_remove(at).1)
        });
        let compress = spare.unwrap_or_else(|| Compress::new_gzip(level, WINDOW_BITS));
        Self { level, compress: Some(compress) }
    }

    /// Repeats until the input is consumed and `then` is complete, which is when room is left.
    pub(super) fn run(
        &mut self,
        mut bytes: &[u8],
        then: Then,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let compress = self.compress.as_mut().ok_or_else(|| io::Error::other("no compressor"))?;
        let flush = match then {
            Then::GoOn => FlushCompress::None,
            Then::Flush => FlushCompress::Sync,
            Then::Finish => FlushCompress::Finish,
        };
        loop {
            if out.spare_capacity_mut().is_empty() {
                out.reserve(ROOM);
            }
            let before = compress.total_in();
            let status = compress.compress_vec(bytes, out, flush)?;
            let taken = usize::try_from(compress.total_in() - before).map_err(io::Error::other)?;
            bytes = bytes.get(taken..).unwrap_or_default();
            let has_room = !out.spare_capacity_mut().is_empty();
            if status == Status::StreamEnd || (bytes.is_empty() && has_room) {
                return Ok(());
            }
        }
    }
}

impl Drop for GzipCompressor {
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
