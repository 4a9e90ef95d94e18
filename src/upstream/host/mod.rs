//! Upstreams: their addresses, and the state that all workers share.

pub(crate) mod address;
pub(crate) mod digest;
pub(crate) mod error;
pub(crate) mod health;
pub(crate) mod set;
pub(crate) mod upstream;
