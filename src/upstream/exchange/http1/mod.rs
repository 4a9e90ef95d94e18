//! An exchange over HTTP/1.1.

pub(crate) mod answer;
pub(crate) mod connection;
pub(crate) mod content;
pub(crate) mod exchange;
pub(crate) mod pool;
pub(crate) mod upload;
