//! For tests: a path with a rate, a delay, a queue and loss, and senders that pace and find losses
//! as quinn does. No socket and no clock; the same seed gives the same run.

mod flow;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use self::flow::Flow;
pub(super) use self::flow::Outcome;
use super::control::{Acked, BATCH_PACKETS, Control, Lost};

const MTU: u64 = 1200;
/// Bytes of the UDP and IP headers.
const OVERHEAD: u64 = 28;
/// Bytes of a packet that carry no application data.
const HEADERS: u64 = 30;
/// Bytes of a packet that only acknowledges.
const ACK_PACKET: u64 = 40;
/// Before every so many packets, an acknowledgement comes that acknowledges only packets that ask
/// for none.
const ACK_OF_NOTHING: usize = 8;
const MAX_ACK_DELAY: Duration = Duration::from_millis(25);

/// The path between the senders and their clients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    /// Bits per second.
    pub(super) rate: f64,
    pub(super) rtt: Duration,
    pub(super) queue: u64,
    /// Share of lost packets, in bursts of `burst` on average.
    pub(super) loss: f64,
    pub(super) burst: f64,
    /// The most by which the delay of a packet varies; packets stay in order.
    pub(super) jitter: Duration,
    /// Between these times the client acknowledges later, by `client_delay`.
    pub(super) client_busy: (Duration, Duration),
    pub(super) client_delay: Duration,
    pub(super) seed: u64,
}

impl Path {
    pub(super) fn new(megabit: f64, rtt_ms: u64, queue: u64) -> Self {
        let rtt = Duration::from_millis(rtt_ms);
        Self {
            rate: megabit * 1e6,
            rtt,
            queue,
            loss: 0.0,
            burst: 1.0,
            jitter: Duration::ZERO,
            client_busy: (Duration::ZERO, Duration::ZERO),
            client_delay: Duration::ZERO,
            seed: 1,
        }
    }

    pub(super) fn bdp(&self) -> u64 {
        (self.rate / 8.0 * self.rtt.as_secs_f64()) as u64
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive(usize, u64),
    DelayedAck(usize, u64),
    /// An acknowledgement after this many received packets.
    Ack(usize, usize),
    Wake(usize),
    /// The application has this many more bytes to send.
    More(usize, u64),
}

/// A simulation of one path.
pub(super) struct World {
    path: Path,
    origin: Instant,
    now: Duration,
    flows: Vec<Flow>,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    count: u64,
    free_at: Duration,
    last_arrival: Duration,
    random: fastrand::Rng,
    is_bad: bool,
    /// The longest queueing delay of a packet, from `watch_from` on.
    pub(super) longest_wait: Duration,
    pub(super) watch_from: Duration,
}

impl World {
    pub(super) fn new(path: Path) -> Self {
        Self {
            path,
            origin: Instant::now(),
            now: Duration::ZERO,
            flows: Vec::new(),
            events: BinaryHeap::new(),
            count: 0,
            free_at: Duration::ZERO,
            last_arrival: Duration::ZERO,
            random: fastrand::Rng::with_seed(path.seed),
            is_bad: false,
            longest_wait: Duration::ZERO,
            watch_from: Duration::ZERO,
        }
    }

    /// The time at which a controller of this run starts.
    pub(super) fn begin(&self) -> Instant {
        self.origin
    }

    pub(super) fn add(&mut self, control: Box<dyn Control>, bytes: Option<u64>) {
        self.add_at(Duration::ZERO, control, bytes);
    }

    pub(super) fn add_at(&mut self, at: Duration, control: Box<dyn Control>, bytes: Option<u64>) {
        let mut flow = Flow::new(control, bytes);
        flow.filled = at;
        // The handshake has provided an RTT sample.
        flow.update_rtt(self.path.rtt);
        flow.timer = at;
        self.flows.push(flow);
        self.at(at, Event::Wake(self.flows.len() - 1));
    }

    /// A flow that sends `first` bytes, and from `at` on the rest of `bytes`.
    pub(super) fn add_in_two_parts(
        &mut self,
        control: Box<dyn Control>,
        first: u64,
        at: Duration,
        bytes: u64,
    ) {
        self.add(control, Some(first));
        let flow = self.flows.len() - 1;
        self.flows[flow].to_receive = bytes;
        self.at(at, Event::More(flow, bytes - first));
    }

    /// Runs until everything has arrived or the time has expired.
    pub(super) fn run(&mut self, end: Duration) -> Vec<Outcome> {
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            if at > end || self.flows.iter().all(|flow| flow.outcome.done.is_some()) {
                break;
            }
            self.now = at;
            match event {
                Event::Arrive(flow, number) => self.arrive(flow, number),
                Event::DelayedAck(flow, number) => self.delayed_ack(flow, number),
                Event::Ack(flow, upto) => self.acknowledged(flow, upto),
                Event::Wake(flow) if self.flows[flow].timer == at => self.wake(flow),
                Event::Wake(_) => {}
                Event::More(flow, bytes) => {
                    self.flows[flow].left = self.flows[flow].left.map(|left| left + bytes);
                    self.wake(flow);
                }
            }
        }
        self.flows.iter().map(|flow| flow.outcome).collect()
    }

    fn at(&mut self, at: Duration, event: Event) {
        self.count += 1;
        self.events.push(Reverse((at, self.count, event)));
    }

    fn instant(&self, at: Duration) -> Instant {
        self.origin + at
    }

    fn is_lost(&mut self) -> bool {
        let Path { loss, burst, .. } = self.path;
        if loss <= 0.0 {
            return false;
        }
        if burst <= 1.0 {
            return self.random.f64() < loss;
        }
        let (out, into) = (1.0 / burst, loss / burst / (1.0 - loss));
        let turn = self.random.f64();
        self.is_bad = if self.is_bad { turn >= out } else { turn < into };
        self.is_bad
    }

    fn transmit(&mut self, flow: usize, number: u64, size: u64) {
        if self.is_lost() {
            return;
        }
        let start = self.free_at.max(self.now);
        let wait = start - self.now;
        if wait.as_secs_f64() * self.path.rate / 8.0 > self.path.queue as f64 {
            return;
        }
        if self.now >= self.watch_from {
            self.longest_wait = self.longest_wait.max(wait);
        }
        let bits = ((size + OVERHEAD) * 8) as f64;
        self.free_at = start + Duration::from_secs_f64(bits / self.path.rate);
        let late = self.path.jitter.mul_f64(self.random.f64());
        self.last_arrival = self.last_arrival.max(self.free_at + self.path.rtt / 2 + late);
        self.at(self.last_arrival, Event::Arrive(flow, number));
    }

    fn arrive(&mut self, at: usize, number: u64) {
        let flow = &mut self.flows[at];
        let is_gap = flow.arrived.last().is_some_and(|last| number != last + 1);
        flow.arrived.push(number);
        flow.outcome.received += MTU;
        if !flow.pings.contains(&number) {
            flow.to_receive = flow.to_receive.saturating_sub(MTU - HEADERS);
        }
        if flow.to_receive == 0 && flow.outcome.done.is_none() {
            flow.outcome.done = Some(self.now);
        }
        if is_gap || flow.arrived.len() - flow.acked >= 2 {
            self.send_ack(at);
        } else {
            self.at(self.now + MAX_ACK_DELAY, Event::DelayedAck(at, number));
        }
    }

    fn delayed_ack(&mut self, at: usize, number: u64) {
        let flow = &self.flows[at];
        if flow.arrived.len() > flow.acked && flow.arrived.last() == Some(&number) {
            self.send_ack(at);
        }
    }

    fn send_ack(&mut self, at: usize) {
        self.flows[at].acked = self.flows[at].arrived.len();
        if !self.is_lost() {
            let Path { client_busy: (from, until), client_delay, .. } = self.path;
            let is_late = (from..until).contains(&self.now);
            let late = if is_late { client_delay } else { Duration::ZERO };
            self.at(self.now + late + self.path.rtt / 2, Event::Ack(at, self.flows[at].acked));
        }
    }

    fn acknowledged(&mut self, at: usize, upto: usize) {
        let (now, origin) = (self.instant(self.now), self.origin);
        let flow = &mut self.flows[at];
        let mut newest = None;
        let srtt = flow.rtt();
        if upto.is_multiple_of(ACK_OF_NOTHING) {
            flow.control.on_end_acks(now, flow.in_flight);
        }
        for index in flow.processed..upto {
            let number = flow.arrived[index];
            let Some((sent, size)) = flow.unacked.remove(&number) else { continue };
            flow.in_flight -= size;
            if number >= flow.largest {
                flow.largest = number;
                newest = Some(sent);
            }
            let app_limited = flow.app_limited;
            let acked = Acked { sent: origin + sent, bytes: size, app_limited, srtt };
            flow.control.on_ack(now, acked);
        }
        flow.processed = flow.processed.max(upto);
        flow.control.on_end_acks(now, flow.in_flight);
        flow.pto_count = 0;
        if let Some(sent) = newest {
            flow.update_rtt(self.now - sent);
        }
        self.detect_losses(at);
        self.wake(at);
    }

    fn detect_losses(&mut self, at: usize) {
        let (now, origin, instant) = (self.now, self.origin, self.instant(self.now));
        let flow = &mut self.flows[at];
        let delay = flow.loss_delay();
        let lost: Vec<u64> = flow
            .unacked
            .range(..flow.largest)
            .filter(|(number, (sent, _))| **number + 3 <= flow.largest || *sent + delay <= now)
            .map(|(number, _)| *number)
            .collect();
        let (mut bytes, mut last) = (0, Duration::ZERO);
        for number in lost {
            let Some((sent, size)) = flow.unacked.remove(&number) else { continue };
            bytes += size;
            last = sent;
            if !flow.pings.contains(&number) {
                flow.left = flow.left.map(|left| left + MTU - HEADERS);
            }
        }
        if bytes > 0 {
            flow.in_flight -= bytes;
            flow.outcome.lost += bytes;
            let sent = origin + last;
            flow.control.on_lost(instant, Lost { sent, bytes, is_persistent: false });
        }
    }

    /// Handles a timer or an acknowledgement: detects losses, probes, sends.
    fn wake(&mut self, at: usize) {
        self.detect_losses(at);
        let now = self.now;
        let flow = &mut self.flows[at];
        if flow.in_flight > 0 && now >= flow.last_sent + flow.pto() {
            flow.probes = 2;
            flow.pto_count += 1;
        }
        while self.send_batch(at) {}
        self.set_timer(at);
    }

    /// Sends a batch at most; returns whether more may be sent.
    fn send_batch(&mut self, at: usize) -> bool {
        let now = self.now;
        let mut numbers = Vec::new();
        let flow = &mut self.flows[at];
        flow.wake = None;
        let mut is_blocked = false;
        while numbers.len() < BATCH_PACKETS as usize && (flow.left != Some(0) || flow.probes > 0) {
            if flow.left == Some(0) {
                flow.pings.insert(flow.next);
            }
            if flow.probes > 0 {
                flow.probes -= 1;
            } else if flow.in_flight + MTU >= flow.control.window() {
                is_blocked = true;
                break;
            } else if let Some(next) = flow.paced(now) {
                flow.wake = Some(next);
                is_blocked = true;
                break;
            }
            flow.left = flow.left.map(|left| left.saturating_sub(MTU - HEADERS));
            flow.tokens -= MTU as f64;
            flow.unacked.insert(flow.next, (now, MTU));
            flow.in_flight += MTU;
            flow.last_sent = now;
            numbers.push(flow.next);
            flow.next += 1;
        }
        flow.app_limited = numbers.is_empty() && !is_blocked;
        let bytes = numbers.len() as u64 * MTU;
        flow.outcome.sent += bytes;
        if bytes > 0 {
            // quinn counts packets that are not acknowledged too: those with ACK frames alone.
            let sent = bytes + if flow.next <= 2 * BATCH_PACKETS { ACK_PACKET } else { 0 };
            flow.control.on_sent(self.origin + now, sent);
        }
        for number in &numbers {
            self.transmit(at, *number, MTU);
        }
        !numbers.is_empty()
    }

    fn set_timer(&mut self, at: usize) {
        let flow = &self.flows[at];
        let pacing = flow.wake;
        let oldest = flow.unacked.range(..flow.largest).next().map(|(_, (sent, _))| *sent);
        let loss = oldest.map(|sent| sent + flow.loss_delay());
        let pto = (flow.in_flight > 0).then(|| flow.last_sent + flow.pto());
        let due = [pacing, loss, pto].into_iter().flatten().min();
        if let Some(due) = due {
            // Rounding up to a whole nanosecond prevents a timer from firing early.
            let due = due.max(self.now + Duration::from_nanos(1));
            if due != flow.timer {
                self.flows[at].timer = due;
                self.at(due, Event::Wake(at));
            }
        }
    }
}
