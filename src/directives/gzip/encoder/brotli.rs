//! Brotli (RFC 7932).

use std::io;

use brotli::enc::StandardAlloc;
use brotli::enc::encode::{
    BrotliEncoderOperation as Operation, BrotliEncoderParameter as Parameter,
    BrotliEncoderStateStruct as State,
};

use super::step::{ROOM, Then, window_bits};

/// Higher ones take 10 to 20 times as long for a page of 10 KB (docs/gzip.md).
const QUALITY: u32 = 4;
/// The smallest window of the format, and the largest one in use.
const WINDOW_BITS: (u32, u32) = (10, 19);

pub(super) struct BrotliCompressor(State<StandardAlloc>);

impl BrotliCompressor {
    pub(super) fn new(length: Option<u64>) -> Self {
        let mut state = State::new(StandardAlloc::default());
        // A window is 16 bytes smaller than a power of two (RFC 7932 section 9.1).
        let bits = window_bits(length.map(|length| length + 16), WINDOW_BITS.0, WINDOW_BITS.1);
        state.set_parameter(Parameter::BROTLI_PARAM_QUALITY, QUALITY);
        state.set_parameter(Parameter::BROTLI_PARAM_LGWIN, bits);
        if let Some(hint) = length.and_then(|length| u32::try_from(length).ok()) {
            state.set_parameter(Parameter::BROTLI_PARAM_SIZE_HINT, hint);
        }
        Self(state)
    }

    /// Repeats until the input is consumed and `then` is complete.
    pub(super) fn run(&mut self, bytes: &[u8], then: Then, out: &mut Vec<u8>) -> io::Result<()> {
        let operation = match then {
            Then::GoOn => Operation::BROTLI_OPERATION_PROCESS,
            Then::Flush => Operation::BROTLI_OPERATION_FLUSH,
            Then::Finish => Operation::BROTLI_OPERATION_FINISH,
        };
        let (mut left, mut at) = (bytes.len(), 0);
        loop {
            let end = out.len();
            out.resize(end + ROOM, 0);
            let (mut room, mut written) = (ROOM, 0);
            let is_well = self.0.compress_stream(
                operation,
                &mut left,
                bytes,
                &mut at,
                &mut room,
                &mut out[end..],
                &mut written,
                &mut None,
                &mut |_, _, _, _| (),
            );
            out.truncate(end + written);
            if !is_well {
                return Err(io::Error::other("the Brotli encoder has failed"));
            }
            if left == 0 && !self.0.has_more_output() {
                return Ok(());
            }
        }
    }
}
