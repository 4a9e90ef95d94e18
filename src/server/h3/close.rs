//! Ends connections and streams with the codes of HTTP/3.

use h3::error::Code;
use quinn::VarInt;

/// Ends a connection.
pub(crate) fn close(quic: &quinn::Connection, code: Code, reason: &[u8]) {
    quic.close(var_int(code.value()), reason);
}

pub(super) fn var_int(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}
