//! The interface of a congestion controller, independent of quinn: time and the smoothed RTT are
//! passed in.

use std::time::{Duration, Instant};

/// The initial window in packets of a client's first new connections.
pub(in crate::server::quic) const INITIAL_WINDOW_PACKETS: u64 = 32;

/// quinn sends up to this many datagrams before it asks for the window again.
pub(super) const BATCH_PACKETS: u64 = 10;

/// quinn reports packets with an ACK frame alone as sent, but counts them neither as in flight nor
/// as acknowledged. Packets that are smaller than this are not counted when they are sent: of those
/// with content, quinn's own count at the end of an acknowledgement has the bytes.
pub(super) const UNCOUNTED_BYTES: u64 = 128;

/// quinn's pacer fills its bucket with this many windows per smoothed RTT.
const PACER_GAIN: f64 = 1.25;

/// Packets that one acknowledgement reports, or that were detected as lost together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost {
    /// When the last of them was sent.
    pub(super) sent: Instant,
    /// 0 if the network marked packets (ECN-CE) instead of dropping them.
    pub(super) bytes: u64,
    /// Whether there is persistent congestion (RFC 9002 section 7.6).
    pub(super) is_persistent: bool,
}

/// One acknowledged packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Acked {
    pub(super) sent: Instant,
    pub(super) bytes: u64,
    /// The sender was application-limited before this acknowledgement.
    pub(super) app_limited: bool,
    /// The smoothed RTT before this acknowledgement.
    pub(super) srtt: Duration,
}

/// The congestion controller of one path.
pub(super) trait Control: Send + Sync {
    /// A batch of packets was sent.
    fn on_sent(&mut self, now: Instant, bytes: u64);
    /// One packet of an acknowledgement.
    fn on_ack(&mut self, now: Instant, acked: Acked);
    /// The end of an acknowledgement; `in_flight` is what remains in flight.
    fn on_end_acks(&mut self, now: Instant, in_flight: u64);
    fn on_lost(&mut self, now: Instant, lost: Lost);
    fn on_mtu(&mut self, mtu: u64);
    /// The window for quinn, which limits the bytes in flight and determines the pacing rate.
    fn window(&self) -> u64;
    /// The limit of the bytes in flight.
    fn congestion_window(&self) -> u64;
    fn pacing_rate(&self) -> Option<f64> {
        None
    }
}

/// The window for quinn that results from a limit of the bytes in flight and a pacing rate in bytes
/// per second. A rate above `PACER_GAIN` windows per round trip requires a window above the limit:
/// it is used while the bytes in flight are below the limit by more than one batch.
pub(super) fn paced_window(limit: u64, in_flight: u64, batch: u64, per_rtt: f64) -> u64 {
    if in_flight + batch >= limit {
        return limit;
    }
    limit.max((per_rtt / PACER_GAIN) as u64)
}
