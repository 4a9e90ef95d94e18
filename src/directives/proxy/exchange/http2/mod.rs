//! An exchange over HTTP/2.

pub(crate) mod attempt;
pub(crate) mod connections;
