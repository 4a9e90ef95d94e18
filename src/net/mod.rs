//! Network facilities that everything that opens or accepts connections shares.

pub mod descriptors;
pub mod dial;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod proxy_protocol;
pub mod roots;
pub mod subscriber;
pub mod tcp_info;
