//! zstd (RFC 8878). Each worker keeps some compressors for later responses.

use std::cell::RefCell;
use std::io;

use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

use super::step::{ROOM, Then, window_bits};

/// Most compressors that a worker keeps.
const SPARE: usize = 4;
/// The measurements behind the level are in docs/gzip.md.
const LEVEL: i32 = 5;
/// Table sizes as powers of two: smaller than those of the level, 1.2 MiB per response instead
/// of 3.
const HASH_BITS: u32 = 17;
const CHAIN_BITS: u32 = 16;
/// The smallest window of the format, and the largest one in use. Clients accept 8 MiB
/// (RFC 9659).
const WINDOW_BITS: (u32, u32) = (10, 18);

thread_local! {
    static SPARES: RefCell<Vec<Encoder<'static>>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct ZstdCompressor {
    /// `Some` until it is returned to the worker, if it could be allocated.
    encoder: Option<Encoder<'static>>,
}

impl ZstdCompressor {
    pub(super) fn new(length: Option<u64>) -> Self {
        let spare = SPARES.with_borrow_mut(Vec::pop);
        let encoder = spare.map_or_else(create, Ok);
        let bits = window_bits(length, WINDOW_BITS.0, WINDOW_BITS.1);
        let encoder = encoder.and_then(|mut encoder| {
            encoder.set_parameter(CParameter::WindowLog(bits))?;
            Ok(encoder)
        });
        Self { encoder: encoder.ok() }
    }

    /// Repeats until the input is consumed and `then` is complete.
    pub(super) fn run(&mut self, bytes: &[u8], then: Then, out: &mut Vec<u8>) -> io::Result<()> {
        let encoder = self.encoder.as_mut().ok_or(io::ErrorKind::OutOfMemory)?;
        let mut input = InBuffer::around(bytes);
        loop {
            out.reserve(ROOM);
            let at = out.len();
            let mut output = OutBuffer::around_pos(out, at);
            if input.pos < bytes.len() {
                encoder.run(&mut input, &mut output)?;
                continue;
            }
            let left = match then {
                Then::GoOn => 0,
                Then::Flush => encoder.flush(&mut output)?,
                Then::Finish => encoder.finish(&mut output, true)?,
            };
            if left == 0 {
                return Ok(());
            }
        }
    }
}

fn create() -> io::Result<Encoder<'static>> {
    let mut encoder = Encoder::new(LEVEL)?;
    encoder.set_parameter(CParameter::HashLog(HASH_BITS))?;
    encoder.set_parameter(CParameter::ChainLog(CHAIN_BITS))?;
    Ok(encoder)
}

impl Drop for ZstdCompressor {
    fn drop(&mut self) {
        let Some(mut encoder) = self.encoder.take() else { return };
        // The thread-local spares are gone when the thread ends.
        let _ = SPARES.try_with(|spares| {
            let mut spares = spares.borrow_mut();
            if spares.len() < SPARE && encoder.reinit().is_ok() {
                spares.push(encoder);
            }
        });
    }
}
