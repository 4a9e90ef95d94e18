//! What a congestion controller is told and what it answers, without quinn: time and the smoothed
//! RTT are passed in.

use std::time::{Duration, Instant};

/// The first window in packets.
pub(super) const INITIAL_WINDOW_PACKETS: u64 = 32;

/// quinn sends up to this many datagrams before it asks for the window again.
pub(super) const BATCH_PACKETS: u64 = 10;

/// quinn's pacer fills its bucket with this many windows per smoothed RTT.
const PACER_GAIN: f64 = 1.25;

/// Packets that one acknowledgement reports, or that were found lost together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost {
    /// When the last of them was sent.
    pub(super) sent: Instant,
    /// 0 where the network marked packets (ECN-CE) instead of dropping them.
    pub(super) bytes: u64,
    /// Nothing arrived for as long as RFC 9002 section 7.6 calls persistent congestion.
    pub(super) is_persistent: bool,
}

/// One packet that arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Acked {
    pub(super) sent: Instant,
    pub(super) bytes: u64,
    /// The sender had run out of data before this acknowledgement.
    pub(super) app_limited: bool,
    /// The smoothed RTT before this acknowledgement.
    pub(super) srtt: Duration,
}

/// A congestion controller of one path.
pub(super) trait Control: Send + Sync {
    /// A batch of packets has left.
    fn on_sent(&mut self, now: Instant, bytes: u64);
    /// One packet of an acknowledgement.
    fn on_ack(&mut self, now: Instant, acked: Acked);
    /// All packets of an acknowledgement have been told; `in_flight` is what is left.
    fn on_end_acks(&mut self, now: Instant, in_flight: u64);
    fn on_lost(&mut self, now: Instant, lost: Lost);
    fn on_mtu(&mut self, mtu: u64);
    /// The window to hand to quinn, which limits the bytes in flight and sets the pacing rate.
    fn window(&self) -> u64;
    /// The limit of the bytes in flight alone.
    fn congestion_window(&self) -> u64;
    fn pacing_rate(&self) -> Option<f64> {
        None
    }
}

/// The window to hand to quinn for a limit of the bytes in flight and a pacing rate in bytes per
/// second. A rate above `PACER_GAIN` windows per round trip needs a larger window than the limit:
/// it is shown while what is in flight is further from the limit than one batch.
pub(super) fn paced_window(limit: u64, in_flight: u64, batch: u64, per_rtt: f64) -> u64 {
    if in_flight + batch >= limit {
        return limit;
    }
    limit.max((per_rtt / PACER_GAIN) as u64)
}
