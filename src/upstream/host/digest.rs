//! Hashes of names and keys that are the same in every process.

use std::hash::Hasher as _;

use fnv::FnvHasher;

/// FNV-1a, 64 bits, followed by [`mix`].
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(bytes);
    mix(hasher.finish())
}

/// Each bit of the result depends on each bit of `n`.
pub(crate) fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
