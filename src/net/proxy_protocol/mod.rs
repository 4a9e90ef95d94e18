//! The PROXY protocol, versions 1 and 2 (proxy-protocol.txt of HAProxy): the header that names the
//! client of a connection, read and written. Does no I/O.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod reader;
pub mod writer;
