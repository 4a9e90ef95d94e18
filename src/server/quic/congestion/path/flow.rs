//! One sender as quinn is one, and its client: pacer, RTT, timers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::control::{BATCH_PACKETS, Control};
use super::{MAX_ACK_DELAY, MTU};

/// The result of a flow.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Outcome {
    /// When the client had received everything.
    pub(in super::super) done: Option<Duration>,
    /// Bytes of received packets.
    pub(in super::super) received: u64,
    pub(in super::super) sent: u64,
    pub(in super::super) lost: u64,
}

impl Outcome {
    pub(in super::super) fn loss(&self) -> f64 {
        self.lost as f64 / self.sent.max(1) as f64
    }
}

/// A flow between a server and a client.
pub(super) struct Flow {
    pub(super) control: Box<dyn Control>,
    /// Bytes to send; `None` is unlimited.
    pub(super) left: Option<u64>,
    pub(super) to_receive: u64,
    pub(super) next: u64,
    pub(super) unacked: BTreeMap<u64, (Duration, u64)>,
    pub(super) in_flight: u64,
    pub(super) largest: u64,
    pub(super) srtt: Option<Duration>,
    pub(super) rttvar: Duration,
    pub(super) latest: Duration,
    pub(super) app_limited: bool,
    pub(super) tokens: f64,
    pub(super) filled: Duration,
    pub(super) wake: Option<Duration>,
    /// When the valid timer fires; timers set before it are ignored.
    pub(super) timer: Duration,
    pub(super) probes: u32,
    /// Numbers of probes that carry no data.
    pub(super) pings: BTreeSet<u64>,
    pub(super) pto_count: u32,
    pub(super) last_sent: Duration,
    /// The client's state: packet numbers in order of arrival.
    pub(super) arrived: Vec<u64>,
    pub(super) acked: usize,
    pub(super) processed: usize,
    pub(super) outcome: Outcome,
}

impl Flow {
    pub(super) fn new(control: Box<dyn Control>, bytes: Option<u64>) -> Self {
        Self {
            control,
            left: bytes,
            to_receive: bytes.unwrap_or(u64::MAX),
            next: 0,
            unacked: BTreeMap::new(),
            in_flight: 0,
            largest: 0,
            srtt: None,
            rttvar: Duration::ZERO,
            latest: Duration::ZERO,
            app_limited: false,
            tokens: (BATCH_PACKETS * MTU) as f64,
            filled: Duration::ZERO,
            wake: None,
            timer: Duration::ZERO,
            probes: 0,
            pings: BTreeSet::new(),
            pto_count: 0,
            last_sent: Duration::ZERO,
            arrived: Vec::new(),
            acked: 0,
            processed: 0,
            outcome: Outcome::default(),
        }
    }

    pub(super) fn rtt(&self) -> Duration {
        self.srtt.unwrap_or(Duration::from_millis(333))
    }

    /// `None` if a packet may be sent now, else the time at which it may. The bucket holds 2 ms,
    /// and a batch at least.
    pub(super) fn paced(&mut self, now: Duration) -> Option<Duration> {
        let (window, rtt) = (self.control.window() as f64, self.rtt().as_secs_f64());
        let capacity = (window * 0.002 / rtt).clamp(10.0 * MTU as f64, 256.0 * MTU as f64);
        self.tokens = self.tokens.min(capacity);
        if self.tokens >= MTU as f64 {
            return None;
        }
        let elapsed = (now - self.filled).as_secs_f64();
        self.tokens = (self.tokens + window * 1.25 * elapsed / rtt).min(capacity);
        self.filled = now;
        if self.tokens >= MTU as f64 {
            return None;
        }
        let missing = capacity - self.tokens;
        Some(now + Duration::from_secs_f64(missing / window * rtt * 0.8))
    }

    pub(super) fn loss_delay(&self) -> Duration {
        self.rtt().max(self.latest).mul_f64(1.125).max(Duration::from_millis(1))
    }

    pub(super) fn pto(&self) -> Duration {
        let base = self.rtt() + (4 * self.rttvar).max(Duration::from_millis(1)) + MAX_ACK_DELAY;
        base * 2_u32.pow(self.pto_count.min(8))
    }

    pub(super) fn update_rtt(&mut self, rtt: Duration) {
        self.latest = rtt;
        match self.srtt {
            Some(srtt) => {
                self.rttvar = (3 * self.rttvar + srtt.abs_diff(rtt)) / 4;
                self.srtt = Some((7 * srtt + rtt) / 8);
            }
            None => {
                self.rttvar = rtt / 2;
                self.srtt = Some(rtt);
            }
        }
    }
}
