//! Compressed field sections (RFC 7541, RFC 9204).

pub(crate) mod hpack;
pub(crate) mod huffman;
pub(crate) mod primitives;
pub(crate) mod qpack;
pub(crate) mod qpack_table;
