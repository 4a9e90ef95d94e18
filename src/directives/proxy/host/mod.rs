//! Upstreams: where they are, and what all workers know of them.

pub(crate) mod digest;
pub(crate) mod error;
pub(crate) mod health;
pub(crate) mod set;
pub(crate) mod upstream;
