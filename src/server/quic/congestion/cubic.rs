//! CUBIC (RFC 9438) with HyStart++ (RFC 9406).

use std::time::{Duration, Instant};

use super::control::{Acked, BATCH_PACKETS, Control, Lost, UNCOUNTED_BYTES, paced_window};
use super::hystart::HyStart;

const C: f64 = 0.4;
const BETA: f64 = 0.7;
/// alpha of the Reno-friendly region (section 4.3).
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);
const MIN_WINDOW_PACKETS: u64 = 2;
/// Windows per round trip while the window doubles (RFC 9002 section 7.7 allows more than 1).
const SLOW_START_GAIN: f64 = 2.0;

/// A congestion avoidance stage (section 4.1), in packets and seconds.
#[derive(Debug, Clone, Copy)]
struct Epoch {
    start: Instant,
    /// Until when its time is counted.
    counted: Instant,
    k: f64,
    w_max: f64,
    w_est: f64,
}

#[derive(Debug, Clone)]
pub(super) struct Cubic {
    mtu: u64,
    cwnd: f64,
    ssthresh: f64,
    /// The window before the last reduction, in packets.
    w_max: f64,
    cwnd_prior: f64,
    epoch: Option<Epoch>,
    /// Losses of packets sent by then belong to the last reduction.
    recovery_start: Option<Instant>,
    hystart: HyStart,
    in_flight: u64,
    is_limited: bool,
    /// The sender has been idle, or had less to send than the window allows.
    has_paused: bool,
    srtt: Duration,
    newest: Option<Instant>,
}

impl Cubic {
    pub(super) fn new(now: Instant, mtu: u64, initial_window: u64) -> Self {
        Self {
            mtu,
            cwnd: initial_window as f64,
            ssthresh: f64::INFINITY,
            w_max: 0.0,
            cwnd_prior: 0.0,
            epoch: None,
            recovery_start: None,
            hystart: HyStart::new(now),
            in_flight: 0,
            is_limited: false,
            has_paused: false,
            srtt: Duration::ZERO,
            newest: None,
        }
    }

    fn packets(&self) -> f64 {
        self.cwnd / self.mtu as f64
    }

    fn is_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    fn avoid_congestion(&mut self, now: Instant, bytes: u64) {
        let cwnd = self.packets();
        let (w_max, prior) = (self.w_max.max(cwnd), self.cwnd_prior);
        let epoch = self.epoch.get_or_insert_with(|| Epoch {
            start: now,
            counted: now,
            k: ((w_max - cwnd) / C).cbrt(),
            w_max,
            w_est: cwnd,
        });
        // The time of a pause is not that of growth (section 5.8).
        if std::mem::take(&mut self.has_paused) {
            epoch.start += now.saturating_duration_since(epoch.counted);
        }
        epoch.counted = now;
        let elapsed = now.saturating_duration_since(epoch.start).as_secs_f64();
        let w_cubic = |t: f64| C * (t - epoch.k).powi(3) + epoch.w_max;
        let acked = bytes as f64 / self.mtu as f64;
        let alpha = if epoch.w_est >= prior { 1.0 } else { ALPHA };
        epoch.w_est += alpha * acked / cwnd;
        if w_cubic(elapsed) < epoch.w_est {
            self.cwnd = self.cwnd.max(epoch.w_est * self.mtu as f64);
            return;
        }
        let target = w_cubic(elapsed + self.srtt.as_secs_f64()).clamp(cwnd, 1.5 * cwnd);
        self.cwnd += (target - cwnd) / cwnd * bytes as f64;
    }

    fn reduce(&mut self, now: Instant) {
        let cwnd = self.packets();
        self.recovery_start = Some(now);
        self.epoch = None;
        self.cwnd_prior = cwnd;
        // Fast convergence (section 4.7).
        self.w_max = if cwnd < self.w_max { cwnd * (1.0 + BETA) / 2.0 } else { cwnd };
        self.cwnd = (self.cwnd * BETA).max(self.least());
        self.ssthresh = self.cwnd;
    }

    fn least(&self) -> f64 {
        (MIN_WINDOW_PACKETS * self.mtu) as f64
    }
}

impl Control for Cubic {
    fn on_sent(&mut self, _now: Instant, bytes: u64) {
        if bytes < UNCOUNTED_BYTES {
            return;
        }
        self.has_paused |= self.in_flight == 0;
        self.in_flight += bytes;
        self.is_limited |= self.in_flight + 2 * self.mtu >= self.congestion_window();
    }

    fn on_ack(&mut self, now: Instant, acked: Acked) {
        self.srtt = acked.srtt;
        self.newest = self.newest.max(Some(acked.sent));
        self.in_flight = self.in_flight.saturating_sub(acked.bytes);
        let is_old = self.recovery_start.is_some_and(|start| acked.sent <= start);
        // A window that was not used gives no information about the path.
        let is_unused = acked.app_limited && !self.is_limited;
        self.has_paused |= is_unused;
        if is_old || is_unused {
            return;
        }
        if self.is_slow_start() {
            self.cwnd += self.hystart.growth(acked.bytes) as f64;
        } else {
            self.avoid_congestion(now, acked.bytes);
        }
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64) {
        self.in_flight = in_flight;
        self.is_limited = in_flight + 2 * self.mtu >= self.congestion_window();
        let Some(newest) = self.newest.take() else { return };
        if self.is_slow_start() && self.hystart.on_acks(now, newest) {
            self.ssthresh = self.cwnd;
        }
    }

    fn on_lost(&mut self, now: Instant, lost: Lost) {
        self.in_flight = self.in_flight.saturating_sub(lost.bytes);
        if self.recovery_start.is_none_or(|start| lost.sent > start) {
            self.reduce(now);
        }
        if lost.is_persistent {
            self.cwnd = self.least();
            self.recovery_start = None;
            self.hystart = HyStart::new(now);
        }
    }

    fn on_mtu(&mut self, mtu: u64) {
        self.mtu = mtu;
        self.cwnd = self.cwnd.max(self.least());
    }

    fn window(&self) -> u64 {
        let limit = self.congestion_window();
        if !self.is_slow_start() {
            return limit;
        }
        let batch = BATCH_PACKETS * self.mtu;
        paced_window(limit, self.in_flight, batch, SLOW_START_GAIN * self.cwnd)
    }

    fn congestion_window(&self) -> u64 {
        self.cwnd as u64
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_mark_of_the_network_counts_as_a_loss_once_in_a_round_trip() {
        let start = Instant::now();
        let mut cubic = Cubic::new(start, 1200, 32 * 1200);
        cubic.on_sent(start, 20 * 1200);
        let before = cubic.congestion_window();
        let sent = |ms| start + Duration::from_millis(ms);
        let mark = |sent| Lost { sent, bytes: 0, is_persistent: false };
        cubic.on_lost(sent(50), mark(sent(1)));
        let reduced = cubic.congestion_window();
        assert_eq!(reduced, before * 7 / 10, "by RFC 9438 section 4.6");
        cubic.on_lost(sent(60), mark(sent(40)));
        assert_eq!(cubic.congestion_window(), reduced, "sent before the answer to the first");
        cubic.on_lost(sent(120), mark(sent(70)));
        assert!(cubic.congestion_window() < reduced);
    }

    const PACKET: u64 = 1200;
    const RTT: Duration = Duration::from_millis(50);

    /// Sends a window and has it acknowledged, but for `left` packets.
    fn round(cubic: &mut Cubic, now: Instant, left: u64) -> Instant {
        let (end, window) = (now + RTT, cubic.congestion_window());
        cubic.on_sent(now, window - cubic.in_flight);
        for _ in left..window / PACKET {
            cubic.on_ack(end, Acked { sent: now, bytes: PACKET, app_limited: false, srtt: RTT });
        }
        cubic.on_end_acks(end, left * PACKET);
        end
    }

    #[test]
    fn a_pause_is_no_time_of_growth() {
        let mut now = Instant::now();
        let mut cubic = Cubic::new(now, PACKET, 100 * PACKET);
        cubic.on_sent(now, 100 * PACKET);
        cubic.on_lost(now + RTT, Lost { sent: now, bytes: PACKET, is_persistent: false });
        now += RTT * 2;
        cubic.on_end_acks(now, 0);
        for _ in 0..20 {
            now = round(&mut cubic, now, 1);
        }
        let before = cubic.packets();
        assert!((75.0..100.0).contains(&before), "{before}");
        now = round(&mut cubic, now, 0) + Duration::from_secs(20);
        // An ACK alone is no end of the pause.
        cubic.on_sent(now, 40);
        now += Duration::from_secs(20);
        for _ in 0..8 {
            let window = cubic.packets();
            now = round(&mut cubic, now, 1);
            assert!(cubic.packets() <= window * 1.05, "{window} to {}", cubic.packets());
        }
        assert!(cubic.packets() > before);
    }
}
