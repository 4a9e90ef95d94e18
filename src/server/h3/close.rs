//! Ends connections and streams with the codes of HTTP/3.

use h3::error::Code;
use h3::quic::ConnectionErrorIncoming;
use quinn::VarInt;

use super::frames::Violation;

/// Closes a connection, unless it is closed: its end is the one that came first.
pub(crate) fn close(quic: &quinn::Connection, code: Code, reason: &[u8]) {
    if quic.close_reason().is_none() {
        quic.close(var_int(code.value()), reason);
    }
}

pub(super) fn var_int(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}

/// Closes the connection of a client that violated the protocol.
pub(super) fn end(quic: &quinn::Connection, violation: Violation) -> ConnectionErrorIncoming {
    let why = violation.to_string();
    if let Violation::Connection(code, _) = violation {
        close(quic, code, why.as_bytes());
    }
    // h3 closes it too, but later, which has no effect.
    ConnectionErrorIncoming::InternalError(why)
}
