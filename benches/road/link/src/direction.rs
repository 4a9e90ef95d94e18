//! One direction of the road: a drop-tail queue before a link of some rate, then loss, delay,
//! jitter and reordering. Time is passed in, counted from the start.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use fastrand::Rng;

use crate::loss::Loss;
use crate::options::Options;

/// More than a loaded link is late by.
pub const LATE: Duration = Duration::from_millis(2);

pub struct Direction {
    delay: Duration,
    /// Bits in a second; 0 for no limit.
    rate: f64,
    /// Bytes that may wait for the link or be on it.
    queue: f64,
    loss: Loss,
    jitter: Duration,
    jitter_rng: Rng,
    reorder: f64,
    reorder_delay: Duration,
    reorder_rng: Rng,
    /// When the link has sent all that waits.
    free_at: Duration,
    /// When the last packet that keeps the order leaves.
    last_due: Duration,
    under_way: BinaryHeap<Reverse<UnderWay>>,
    accepted: u64,
    pub counts: Counts,
}

/// Ordered by the moment it leaves and then by arrival.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct UnderWay {
    due: Duration,
    number: u64,
    packet: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// What came to this direction, in packets and bytes.
    pub sent: u64,
    pub sent_bytes: u64,
    /// What came out at the other end.
    pub carried: u64,
    pub carried_bytes: u64,
    /// Packets that left more than [`LATE`] after they were due, because the machine was busy.
    pub late: u64,
    /// Packets that found the queue full.
    pub queue_full: u64,
    /// Packets that got lost on the way.
    pub lost: u64,
    /// Packets above the MTU.
    pub too_big: u64,
    /// UDP after its path has died, and packets to an address that the client has left.
    pub unreachable: u64,
}

impl Direction {
    /// Its draws are its own: what passes one way changes no loss of the other.
    pub fn new(options: &Options, rng: &mut Rng) -> Self {
        Self {
            delay: options.rtt / 2,
            rate: options.rate,
            queue: options.queue,
            loss: Loss::new(options.loss, options.burst, rng.fork()),
            jitter: options.jitter,
            jitter_rng: rng.fork(),
            reorder: options.reorder,
            reorder_delay: options.reorder_delay,
            reorder_rng: rng.fork(),
            free_at: Duration::ZERO,
            last_due: Duration::ZERO,
            under_way: BinaryHeap::new(),
            accepted: 0,
            counts: Counts::default(),
        }
    }

    pub fn arrive(&mut self, now: Duration, packet: Vec<u8>) {
        let start = self.free_at.max(now);
        if self.waiting_at(now) + packet.len() as f64 > self.queue {
            self.counts.queue_full += 1;
            return;
        }
        self.free_at = start + self.time_on_link(packet.len());
        // All three are drawn for every packet, so that each draw belongs to a packet's number.
        let is_lost = self.loss.takes_next();
        let late = self.jitter.mul_f64(self.jitter_rng.f64());
        let is_reordered = self.reorder_rng.f64() < self.reorder;
        if is_lost {
            self.counts.lost += 1;
            return;
        }
        let mut due = self.free_at + self.delay + late;
        if is_reordered {
            due += self.reorder_delay;
        } else {
            due = due.max(self.last_due);
            self.last_due = due;
        }
        self.put(due, packet);
    }

    /// Puts a packet beside queue and link.
    pub fn put(&mut self, due: Duration, packet: Vec<u8>) {
        self.accepted += 1;
        self.under_way.push(Reverse(UnderWay { due, number: self.accepted, packet }));
    }

    /// When the next packet leaves.
    pub fn next(&self) -> Option<Duration> {
        self.under_way.peek().map(|Reverse(first)| first.due)
    }

    pub fn depart(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.next()? > now {
            return None;
        }
        let Reverse(UnderWay { due, packet, .. }) = self.under_way.pop()?;
        self.counts.late += u64::from(now - due > LATE);
        self.counts.carried += 1;
        self.counts.carried_bytes += packet.len() as u64;
        Some(packet)
    }

    fn waiting_at(&self, now: Duration) -> f64 {
        self.free_at.saturating_sub(now).as_secs_f64() * self.rate / 8.0
    }

    fn time_on_link(&self, length: usize) -> Duration {
        if self.rate == 0.0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(length as f64 * 8.0 / self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direction(words: &str) -> Direction {
        let options = Options::parse(words.split_whitespace().map(str::to_owned)).unwrap();
        Direction::new(&options, &mut Rng::with_seed(options.seed))
    }

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    /// When each packet leaves, in order of leaving, with its first byte.
    fn departures(direction: &mut Direction) -> Vec<(Duration, u8)> {
        let mut left = Vec::new();
        while let Some(due) = direction.next() {
            assert_eq!(direction.depart(due - Duration::from_nanos(1)), None);
            left.push((due, direction.depart(due).unwrap()[0]));
        }
        left
    }

    #[test]
    fn a_packet_takes_its_time_on_the_link_and_half_the_round_trip() {
        let mut road = direction("--rtt 50 --rate 8");
        road.arrive(ms(0), vec![1; 1000]);
        road.arrive(ms(0), vec![2; 1000]);
        road.arrive(ms(10), vec![3; 1000]);
        assert_eq!(departures(&mut road), [(ms(26), 1), (ms(27), 2), (ms(36), 3)]);
    }

    #[test]
    fn what_leaves_late_is_counted() {
        let mut road = direction("--rtt 50");
        for (arrival, departure) in [(0, 27), (30, 58)] {
            road.arrive(ms(arrival), vec![1; 1000]);
            assert!(road.depart(ms(departure)).is_some());
        }
        assert_eq!(road.counts.late, 1);
    }

    #[test]
    fn without_a_rate_only_the_delay_is_left() {
        let mut road = direction("--rtt 50");
        road.arrive(ms(3), vec![1; 1000]);
        assert_eq!(departures(&mut road), [(ms(28), 1)]);
    }

    #[test]
    fn what_finds_the_queue_full_is_dropped_and_counted() {
        let mut road = direction("--rtt 0 --rate 8 --queue 3000");
        for number in 0..5 {
            road.arrive(ms(0), vec![number; 1000]);
        }
        assert_eq!(road.counts.queue_full, 2);
        // After one packet's time there is room for one.
        road.arrive(ms(1), vec![5; 1000]);
        road.arrive(ms(1), vec![6; 1000]);
        assert_eq!(road.counts.queue_full, 3);
        assert_eq!(departures(&mut road), [(ms(1), 0), (ms(2), 1), (ms(3), 2), (ms(4), 5)]);
        assert_eq!((road.counts.carried, road.counts.carried_bytes), (4, 4000));
    }

    #[test]
    fn what_gets_lost_has_taken_its_time_on_the_link() {
        let mut road = direction("--rtt 0 --rate 8 --loss 100");
        road.arrive(ms(0), vec![1; 1000]);
        assert_eq!((road.counts.lost, road.next()), (1, None));
        assert_eq!(road.free_at, ms(1));
    }

    #[test]
    fn jitter_keeps_the_order() {
        let mut road = direction("--rtt 10 --jitter 20");
        for number in 0..100 {
            road.arrive(ms(u64::from(number)), vec![number; 100]);
        }
        let left = departures(&mut road);
        assert!(left.iter().map(|(_, number)| *number).eq(0..100));
        let late = |(due, number): &(Duration, u8)| *due - ms(u64::from(*number)) - ms(5);
        assert!(left.iter().all(|at| late(at) <= ms(20)), "{left:?}");
        assert!(left.iter().any(|at| late(at) > ms(10)), "{left:?}");
    }

    #[test]
    fn a_reordered_packet_is_passed_by_those_behind_it() {
        let mut road = direction("--rtt 10 --reorder 10 --reorder-delay 30");
        for number in 0..100 {
            road.arrive(ms(u64::from(number)), vec![number; 100]);
        }
        let left = departures(&mut road);
        let late: Vec<_> =
            left.iter().filter(|(due, number)| *due == ms(u64::from(*number) + 35)).collect();
        assert!((2..25).contains(&late.len()), "{left:?}");
        let on_time = left.iter().filter(|(due, number)| *due == ms(u64::from(*number) + 5));
        assert_eq!(on_time.count() + late.len(), 100);
    }
}
