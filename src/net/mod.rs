//! What every room that opens or takes connections shares, below them all.

pub mod descriptors;
pub mod dial;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod proxy_protocol;
pub mod roots;
