//! What every room that opens connections shares, below them all.

pub mod descriptors;
pub mod dial;
pub mod roots;
