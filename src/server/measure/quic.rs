//! What a QUIC connection has sent, and how it ended.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use h3::error::Code;
use quinn::{ApplicationClose, ConnectionClose, ConnectionError, ConnectionStats};

/// Of a packet with the shortest header: flags, packet number and the tag of its encryption (RFC
/// 9001 section 5.3).
const OVERHEAD: u64 = 1 + 1 + 16;
/// Probes for a larger MTU are longer than what every path carries.
const PROBE: u64 = 1200;

/// A QUIC connection whose answers are measured.
pub(crate) struct QuicWire {
    pub(super) quic: quinn::Connection,
    /// Bytes of all responses that QUIC has taken so far.
    written: Rc<Cell<u64>>,
    /// Before the first answer that was measured.
    begin: OnceCell<Progress>,
}

#[derive(Debug, Clone, Copy)]
struct Progress {
    /// At most so many bytes of streams have been sent and are not known to be lost.
    sent: u64,
    written: u64,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It goes on.
    None,
    /// This server has closed it.
    Ours,
    /// The client has closed it without an error.
    Clean,
    /// Nothing came from the client any more.
    Silent,
    /// By an error, of the client or of this server.
    Broken,
}

impl QuicWire {
    pub(crate) fn new(quic: quinn::Connection, written: Rc<Cell<u64>>) -> Self {
        Self { quic, written, begin: OnceCell::new() }
    }

    /// An answer begins.
    pub(super) fn begins(&self) {
        self.begin.get_or_init(|| self.progress());
    }

    fn progress(&self) -> Progress {
        Progress { sent: sent(&self.quic.stats()), written: self.written.get() }
    }

    pub(super) fn ending(&self) -> Ending {
        ending(self.quic.close_reason().as_ref())
    }

    /// Whether a client that closes the connection now may have an answer that QUIC had taken by
    /// `taken`: all of the responses has been sent, and half a round trip has passed, which is
    /// the least that the last byte and the close need on a path that has become a little shorter.
    pub(super) fn may_have_arrived(&self, taken: Instant) -> bool {
        let Some(begin) = self.begin.get() else { return false };
        let now = self.progress();
        let is_sent = now.sent.saturating_sub(begin.sent) >= now.written - begin.written;
        is_sent && taken.elapsed() >= self.shortest() / 2
    }

    fn shortest(&self) -> Duration {
        self.quic.stats().path.min_rtt
    }
}

/// Bytes of frames in packets that are not known to be lost. What was lost is sent again, and
/// counts once.
fn sent(stats: &ConnectionStats) -> u64 {
    let path = &stats.path;
    let packets = stats.udp_tx.datagrams.saturating_sub(path.lost_packets);
    let probes = path.sent_plpmtud_probes * PROBE;
    let none = path.lost_bytes + packets * OVERHEAD + probes;
    stats.udp_tx.bytes.saturating_sub(none)
}

fn ending(reason: Option<&ConnectionError>) -> Ending {
    match reason {
        None => Ending::None,
        Some(ConnectionError::LocallyClosed) => Ending::Ours,
        Some(ConnectionError::TimedOut) => Ending::Silent,
        Some(ConnectionError::ApplicationClosed(ApplicationClose { error_code, .. })) => {
            let code = u64::from(*error_code);
            // RFC 9114 section 8.1; clients that close before HTTP/3 has begun say 0.
            let is_clean = code == Code::H3_NO_ERROR.value() || code == 0;
            if is_clean { Ending::Clean } else { Ending::Broken }
        }
        Some(ConnectionError::ConnectionClosed(ConnectionClose { error_code, .. })) => {
            let is_clean = *error_code == quinn::TransportErrorCode::NO_ERROR;
            if is_clean { Ending::Clean } else { Ending::Broken }
        }
        Some(
            ConnectionError::VersionMismatch
            | ConnectionError::TransportError(_)
            | ConnectionError::Reset
            | ConnectionError::CidsExhausted,
        ) => Ending::Broken,
    }
}

#[cfg(test)]
mod tests {
    use quinn::{TransportErrorCode, VarInt};

    use super::*;

    #[test]
    fn only_a_close_without_an_error_is_clean() {
        let application = |code: u32| {
            ConnectionError::ApplicationClosed(ApplicationClose {
                error_code: VarInt::from_u32(code),
                reason: Vec::new().into(),
            })
        };
        let transport = |error_code| {
            ConnectionError::ConnectionClosed(ConnectionClose {
                error_code,
                frame_type: None,
                reason: Vec::new().into(),
            })
        };
        for (reason, wanted) in [
            (application(0), Ending::Clean),
            (application(0x100), Ending::Clean),
            (application(0x10c), Ending::Broken),
            (application(0x102), Ending::Broken),
            (transport(TransportErrorCode::NO_ERROR), Ending::Clean),
            (transport(TransportErrorCode::INTERNAL_ERROR), Ending::Broken),
            (ConnectionError::TimedOut, Ending::Silent),
            (ConnectionError::Reset, Ending::Broken),
            (ConnectionError::LocallyClosed, Ending::Ours),
        ] {
            assert_eq!(ending(Some(&reason)), wanted, "{reason}");
        }
        assert_eq!(ending(None), Ending::None);
    }

    #[test]
    fn what_was_lost_or_probed_is_not_sent() {
        let mut stats = ConnectionStats::default();
        (stats.udp_tx.datagrams, stats.udp_tx.bytes) = (10, 12_000);
        assert_eq!(sent(&stats), 12_000 - 10 * 18);
        (stats.path.lost_packets, stats.path.lost_bytes) = (2, 2400);
        assert_eq!(sent(&stats), 9600 - 8 * 18);
        stats.path.sent_plpmtud_probes = 1;
        assert_eq!(sent(&stats), 8400 - 8 * 18);
        stats.path.lost_bytes = 1 << 40;
        assert_eq!(sent(&stats), 0);
    }
}
