//! Delivery-rate samples (draft-ietf-ccwg-bbr section 4.1).
//!
//! quinn tells of sending by batches and of an acknowledged packet only when it was sent. So the
//! state per packet of the draft is kept per time of sending, which is a batch: the draft allows
//! that for offloaded sending (section 4.1.3.1). quinn takes packets for lost in the order in which
//! they were sent; therefore what is outstanding of batches before the last lost packet is lost,
//! and the bytes of a loss fall on batches from the oldest on.
//!
//! The bytes of a batch may include packets that are never acknowledged (those with ACK frames
//! alone). quinn's count of the bytes in flight at the end of an acknowledgement corrects the sum,
//! and a batch is dropped at the acknowledgement after one of packets that were sent an RTT later:
//! quinn tells the losses that an acknowledgement reveals behind its end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The state when a batch was sent.
#[derive(Debug, Clone, Copy)]
struct Batch {
    sent: Instant,
    /// Neither acknowledged nor lost.
    outstanding: u64,
    delivered: u64,
    delivered_time: Instant,
    first_send_time: Instant,
    lost: u64,
    in_flight: u64,
    is_app_limited: bool,
}

/// RS of the draft.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) rtt: Duration,
    /// Bytes per second; none if the interval is shorter than the minimum RTT.
    pub(super) delivery_rate: f64,
    pub(super) delivered: u64,
    pub(super) prior_delivered: u64,
    pub(super) newly_acked: u64,
    pub(super) is_app_limited: bool,
    /// Bytes in flight when the packet was sent, including it.
    pub(super) tx_in_flight: u64,
    /// Bytes lost since the packet was sent.
    pub(super) lost: u64,
}

/// A lost part of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct LostBatch {
    pub(super) bytes: u64,
    pub(super) tx_in_flight: u64,
    /// Bytes lost since the batch was sent, including it.
    pub(super) lost: u64,
    pub(super) is_app_limited: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Sampler {
    batches: VecDeque<Batch>,
    pub(super) delivered: u64,
    pub(super) in_flight: u64,
    pub(super) lost: u64,
    delivered_time: Instant,
    first_send_time: Instant,
    /// Samples are app-limited until this much has been delivered; 0: they are not.
    app_limited: u64,
    min_rtt: Duration,
    /// The newest packet of the current acknowledgement.
    newest: Option<Batch>,
    newly_acked: u64,
    /// What is outstanding of batches before this has neither been acknowledged nor lost.
    stale: Option<Instant>,
}

/// The bounds of the memory of a connection, within which four times the packets of the window
/// have a batch each: the oldest gives way to a new one.
const BATCHES: [u64; 2] = [64, 4096];
/// The room that is kept for further batches when nothing is in flight.
const KEPT_BATCHES: usize = 64;

impl Sampler {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            batches: VecDeque::new(),
            delivered: 0,
            in_flight: 0,
            lost: 0,
            delivered_time: now,
            first_send_time: now,
            app_limited: 0,
            min_rtt: Duration::MAX,
            newest: None,
            newly_acked: 0,
            stale: None,
        }
    }

    /// `window` is in packets.
    pub(super) fn on_sent(&mut self, now: Instant, bytes: u64, window: u64) {
        if self.in_flight == 0 {
            self.first_send_time = now;
            self.delivered_time = now;
        }
        self.in_flight += bytes;
        if let Some(last) = self.batches.back_mut()
            && last.sent == now
        {
            last.outstanding += bytes;
            last.in_flight = self.in_flight;
            return;
        }
        let [least, most] = BATCHES;
        if self.batches.len() as u64 >= (4 * window).clamp(least, most) {
            self.batches.pop_front();
        }
        self.batches.push_back(Batch {
            sent: now,
            outstanding: bytes,
            delivered: self.delivered,
            delivered_time: self.delivered_time,
            first_send_time: self.first_send_time,
            lost: self.lost,
            in_flight: self.in_flight,
            is_app_limited: self.is_app_limited(),
        });
    }

    pub(super) fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64) {
        self.delivered += bytes;
        self.delivered_time = now;
        self.newly_acked += bytes;
        self.in_flight = self.in_flight.saturating_sub(bytes);
        let at = self.batches.partition_point(|batch| batch.sent <= sent);
        let Some(batch) = at.checked_sub(1).and_then(|at| self.batches.get_mut(at)) else { return };
        batch.outstanding = batch.outstanding.saturating_sub(bytes);
        if self.newest.is_none_or(|newest| batch.sent >= newest.sent) {
            self.newest = Some(Batch { sent, ..*batch });
        }
    }

    /// Ends an acknowledgement; `in_flight` is quinn's count.
    pub(super) fn sample(&mut self, now: Instant, in_flight: u64) -> Option<Sample> {
        self.reconcile(now, in_flight);
        let newly_acked = std::mem::take(&mut self.newly_acked);
        if self.app_limited > 0 && self.delivered > self.app_limited {
            self.app_limited = 0;
        }
        let newest = self.newest.take()?;
        let rtt = now.saturating_duration_since(newest.sent);
        self.min_rtt = self.min_rtt.min(rtt);
        let send_elapsed = newest.sent.saturating_duration_since(newest.first_send_time);
        let ack_elapsed = now.saturating_duration_since(newest.delivered_time);
        self.first_send_time = newest.sent;
        let interval = send_elapsed.max(ack_elapsed);
        let delivered = self.delivered - newest.delivered;
        let is_reliable = interval >= self.min_rtt && !interval.is_zero();
        let rate = if is_reliable { delivered as f64 / interval.as_secs_f64() } else { 0.0 };
        Some(Sample {
            rtt,
            delivery_rate: rate,
            delivered,
            prior_delivered: newest.delivered,
            newly_acked,
            is_app_limited: newest.is_app_limited,
            tx_in_flight: newest.in_flight,
            lost: self.lost - newest.lost,
        })
    }

    /// Takes over quinn's count, and drops batches of which nothing can be acknowledged or lost any
    /// more. quinn declares a packet lost when one that was sent an eighth of an RTT later is
    /// acknowledged, so quinn never counted what is outstanding of a batch a whole RTT older.
    fn reconcile(&mut self, now: Instant, in_flight: u64) {
        self.in_flight = in_flight;
        let is_stale = |sent| self.stale.is_some_and(|stale| sent < stale);
        while let Some(front) = self.batches.front() {
            if front.outstanding > 0 && in_flight > 0 && !is_stale(front.sent) {
                break;
            }
            self.batches.pop_front();
        }
        if self.batches.is_empty() && self.batches.capacity() > 4 * KEPT_BATCHES {
            self.batches.shrink_to(KEPT_BATCHES);
        }
        if let Some(newest) = self.newest.map(|newest| newest.sent) {
            self.stale = newest.checked_sub(now.saturating_duration_since(newest));
        }
    }

    /// The next batch, from the oldest on, to which `remaining` lost bytes sent by `sent` belong.
    pub(super) fn next_lost(&mut self, sent: Instant, remaining: &mut u64) -> Option<LostBatch> {
        while let Some(front) = self.batches.front_mut() {
            if front.sent > sent || *remaining == 0 {
                break;
            }
            let bytes = front.outstanding.min(*remaining);
            front.outstanding -= bytes;
            *remaining -= bytes;
            let batch = *front;
            if front.outstanding == 0 || front.sent < sent {
                self.batches.pop_front();
            }
            if bytes == 0 {
                continue;
            }
            return Some(self.count_lost(bytes, batch));
        }
        // Sent by a call that quinn does not report.
        let bytes = std::mem::take(remaining);
        self.lost += bytes;
        self.in_flight = self.in_flight.saturating_sub(bytes);
        None
    }

    fn count_lost(&mut self, bytes: u64, batch: Batch) -> LostBatch {
        self.lost += bytes;
        self.in_flight = self.in_flight.saturating_sub(bytes);
        LostBatch {
            bytes,
            tx_in_flight: batch.in_flight,
            lost: self.lost - batch.lost,
            is_app_limited: batch.is_app_limited,
        }
    }

    /// Marks samples of the bytes in flight as app-limited.
    pub(super) fn mark_app_limited(&mut self) {
        self.app_limited = (self.delivered + self.in_flight).max(1);
    }

    pub(super) fn is_app_limited(&self) -> bool {
        self.app_limited > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: u64 = 1000;
    const WINDOW: u64 = 100;
    const RTT: Duration = Duration::from_millis(50);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_rate_is_that_of_the_slower_of_sending_and_acknowledging() {
        for (apart, ack_apart, rate) in [(1, 4, 250_000.0), (4, 4, 250_000.0), (4, 1, 250_000.0)] {
            let start = Instant::now();
            let mut sampler = Sampler::new(start);
            for n in 0..100 {
                sampler.on_sent(start + ms(n * apart), PACKET, WINDOW);
            }
            let first_ack = start + ms(99 * apart) + RTT;
            let mut last = None;
            for n in 0..100 {
                let now = first_ack + ms(n * ack_apart);
                sampler.on_ack(now, start + ms(n * apart), PACKET);
                last = sampler.sample(now, (99 - n) * PACKET);
            }
            let sample = last.unwrap();
            let got = sample.delivery_rate;
            assert!(got <= rate * 1.02, "{apart} {ack_apart}: {got}");
            assert_eq!((sample.newly_acked, sample.delivered), (PACKET, 100 * PACKET));
        }
    }

    #[test]
    fn a_sample_shorter_than_a_round_trip_has_no_rate() {
        let start = Instant::now();
        let mut sampler = Sampler::new(start);
        sampler.on_sent(start, PACKET, WINDOW);
        sampler.on_ack(start + RTT, start, PACKET);
        assert_eq!(sampler.sample(start + RTT, 0).unwrap().delivery_rate, 20_000.0);
        sampler.on_sent(start + RTT, PACKET, WINDOW);
        sampler.on_sent(start + RTT + ms(1), PACKET, WINDOW);
        // The acknowledgement of the second comes faster than any did before it.
        let now = start + RTT + ms(11);
        sampler.on_ack(now, start + RTT + ms(1), PACKET);
        let sample = sampler.sample(now, PACKET).unwrap();
        assert!(sample.delivery_rate <= PACKET as f64 / 0.010, "{sample:?}");
        assert!(sampler.sample(now, PACKET).is_none(), "nothing new, no sample");
    }

    /// The bytes of packets that are never acknowledged must not stay in the batches.
    #[test]
    fn packets_without_acknowledgements_leave_no_batch() {
        let start = Instant::now();
        let mut sampler = Sampler::new(start);
        for n in 0..2 * BATCHES[1] {
            let sent = start + ms(n);
            sampler.on_sent(sent, PACKET + 40, WINDOW);
            if let Some(acked) = n.checked_sub(50) {
                sampler.on_ack(sent, start + ms(acked), PACKET);
                let sample = sampler.sample(sent, 50 * PACKET).unwrap();
                assert_eq!(sample.rtt, RTT);
                // The acknowledgements of one RTT lie between sending and acknowledging.
                let in_rtt = sample.delivered;
                assert!(in_rtt <= 51 * PACKET, "{n}: {sample:?}");
            }
            assert!(sampler.batches.len() <= 103, "{n}: {}", sampler.batches.len());
        }
    }

    #[test]
    fn a_client_that_acknowledges_nothing_takes_little_memory() {
        let start = Instant::now();
        let mut sampler = Sampler::new(start);
        for n in 0..10_000 {
            sampler.on_sent(start + ms(n), 200, 10);
        }
        assert_eq!(sampler.batches.len(), 64);
        for n in 0..10_000 {
            sampler.on_sent(start + ms(10_000 + n), PACKET, 2_000);
        }
        assert_eq!(sampler.batches.len() as u64, BATCHES[1]);
        let (sent, now) = (start + ms(19_999), start + ms(20_050));
        sampler.on_ack(now, sent, PACKET);
        assert!(sampler.sample(now, 0).is_some());
        assert!(sampler.batches.capacity() < 100, "{}", sampler.batches.capacity());
    }

    /// quinn ends the acknowledgement of a probe before it tells what the probe reveals as lost.
    #[test]
    fn what_a_probe_reveals_as_lost_has_its_batch() {
        let start = Instant::now();
        let mut sampler = Sampler::new(start);
        sampler.on_sent(start, 2 * PACKET, WINDOW);
        sampler.on_sent(start + ms(200), PACKET, WINDOW);
        let now = start + ms(200) + RTT;
        sampler.on_ack(now, start + ms(200), PACKET);
        assert!(sampler.sample(now, 2 * PACKET).is_some());
        let lost = sampler.next_lost(start, &mut (2 * PACKET)).map(|batch| batch.bytes);
        assert_eq!(lost, Some(2 * PACKET));
    }

    /// quinn ends an acknowledgement also when only packets that ask for none were acknowledged.
    #[test]
    fn an_acknowledgement_of_nothing_drops_no_batch() {
        let start = Instant::now();
        let mut sampler = Sampler::new(start);
        sampler.on_sent(start, PACKET, WINDOW);
        sampler.on_sent(start + ms(1), PACKET, WINDOW);
        assert!(sampler.sample(start + ms(20), 2 * PACKET).is_none());
        sampler.on_ack(start + RTT, start, PACKET);
        assert_eq!(sampler.sample(start + RTT, PACKET).unwrap().delivery_rate, 20_000.0);
    }

    #[test]
    fn what_the_application_did_not_send_is_marked_until_it_is_delivered() {
        let start = Instant::now();
        let mut sampler = Sampler::new(start);
        sampler.on_sent(start, PACKET, WINDOW);
        sampler.mark_app_limited();
        sampler.on_sent(start + ms(1), PACKET, WINDOW);
        let mut limited = vec![];
        for n in 0..2 {
            sampler.on_ack(start + RTT + ms(n), start + ms(n), PACKET);
            limited.push(sampler.sample(start + RTT + ms(n), (1 - n) * PACKET).unwrap());
        }
        assert!(!limited[0].is_app_limited, "sent before the application ran out");
        assert!(limited[1].is_app_limited);
        assert!(!sampler.is_app_limited(), "what was in flight then has been delivered");
    }

    #[test]
    fn losses_fall_on_the_oldest_batches() {
        let start = Instant::now();
        let mut sampler = Sampler::new(start);
        for n in 0..4 {
            sampler.on_sent(start + ms(n), PACKET, WINDOW);
        }
        let mut remaining = 2 * PACKET;
        let lost = |sampler: &mut Sampler, remaining: &mut u64| {
            sampler.next_lost(start + ms(2), remaining).map(|batch| (batch.bytes, batch.lost))
        };
        assert_eq!(lost(&mut sampler, &mut remaining), Some((PACKET, PACKET)));
        assert_eq!(lost(&mut sampler, &mut remaining), Some((PACKET, 2 * PACKET)));
        assert_eq!(lost(&mut sampler, &mut remaining), None);
        assert_eq!((sampler.in_flight, remaining), (2 * PACKET, 0));
        sampler.on_ack(start + RTT, start + ms(3), PACKET);
        assert_eq!(sampler.sample(start + RTT, PACKET).unwrap().lost, 2 * PACKET);
    }
}
