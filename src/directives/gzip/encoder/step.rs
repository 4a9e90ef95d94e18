//! What the compressors of all codings have in common.

/// Bytes by which the output buffer grows.
pub(super) const ROOM: usize = 16 * 1024;

/// What a compressor does after it has consumed its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    /// Flushes, so that everything so far can be decompressed.
    Flush,
    /// Ends the stream.
    Finish,
}

/// The number of bits of a window that holds content of this length, between two bounds.
pub(super) fn window_bits(length: Option<u64>, least: u32, most: u32) -> u32 {
    length.map_or(most, |length| length.max(1).next_power_of_two().ilog2().clamp(least, most))
}
