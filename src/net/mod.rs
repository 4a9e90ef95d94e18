//! What every room that opens connections shares, below them all.

pub mod roots;
