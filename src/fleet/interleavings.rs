//! For tests: five machines and an engine, in an order that a seed decides: answers come late or
//! never, machines are cut off, die and come back, the engine fails over and forgets. What must
//! hold is checked after each step. The same test finds mistakes that are planted.

mod checks;

use std::time::Duration;

use super::Stamp;
use super::copies::{Verdict, judge};
use super::keys::{Generation, Keys, Read, Times};
use super::lease::Lease;
use super::model::{Command, Engine, Entry, Planted, Reply};

const MACHINES: usize = 5;
const STEPS: usize = 70;
const SECOND: Stamp = 1_000_000;
/// A machine that asks the engine at intervals of at most this is one that polls.
const POLLS: Stamp = 6 * SECOND;
/// Clocks are apart by no more than this.
const APART: Stamp = 300 * SECOND;

const TIMES: Times = Times {
    wait: Duration::from_secs(10),
    period: Duration::from_secs(40),
    aged: Duration::from_secs(311),
    kept: 3,
    used: Duration::from_secs(90),
    life: Duration::from_secs(750),
};

struct Machine {
    /// Its steady clock is ahead of time by so much.
    ahead: Stamp,
    lease: Lease,
    keys: Keys,
    keys_version: Stamp,
    entry: Entry,
    seen: Stamp,
    is_cut_off: bool,
    sent: Option<Sent>,
    /// Since when, and until when, it has polled without a gap.
    polls: Option<(Stamp, Stamp)>,
}

struct Sent {
    command: Command,
    seen: Stamp,
    at: Stamp,
    reply: Option<(Reply, Stamp)>,
}

/// A publication of a key: when, and which.
struct Publication {
    at: Stamp,
    key: Generation,
}

struct World {
    random: fastrand::Rng,
    planted: Planted,
    time: Stamp,
    engine: Engine,
    machines: Vec<Machine>,
    /// Commands of broken connections, which may still arrive.
    stray: Vec<(usize, Command, Stamp)>,
    published: Vec<Publication>,
    /// Whether the engine has never lost anything.
    is_whole: bool,
    /// Whether its clock has never jumped.
    is_steady: bool,
    writes: u32,
    fault: Option<String>,
}

impl Machine {
    fn new(ahead: Stamp, planted: Planted) -> Self {
        let times = match planted {
            Planted::UsesAtOnce => Times { wait: Duration::ZERO, ..TIMES },
            Planted::TrustsClock => Times { aged: TIMES.wait, ..TIMES },
            Planted::NoAge => Times { used: Duration::MAX, ..TIMES },
            _ => TIMES,
        };
        Self {
            ahead,
            lease: Lease::default(),
            keys: Keys::new(times),
            keys_version: 0,
            entry: Entry::default(),
            seen: 0,
            is_cut_off: false,
            sent: None,
            polls: None,
        }
    }

    fn clock(&self, time: Stamp) -> Duration {
        Duration::from_micros(time + self.ahead)
    }
}

impl World {
    fn new(seed: u64, planted: Planted) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let ahead: Vec<Stamp> = (0..MACHINES).map(|_| random.u64(0..600) * SECOND).collect();
        let machines = ahead.into_iter().map(|ahead| Machine::new(ahead, planted)).collect();
        Self {
            random,
            planted,
            time: 0,
            engine: Engine::new(planted),
            machines,
            stray: Vec::new(),
            published: Vec::new(),
            is_whole: true,
            is_steady: true,
            writes: 0,
            fault: None,
        }
    }

    fn run(mut self) -> Option<String> {
        for _ in 0..STEPS {
            self.step();
            if self.fault.is_some() {
                return self.fault;
            }
        }
        self.settle();
        self.fault
    }

    fn step(&mut self) {
        let one = self.random.usize(0..MACHINES);
        match self.random.u8(0..100) {
            // All that can ask do, and a second passes.
            0..30 => {
                (0..MACHINES).for_each(|one| self.poll(one));
                self.time += SECOND;
            }
            30..42 => self.act(one),
            42..54 => {
                self.act(one);
                self.handle(one);
                self.receive(one);
            }
            54..64 => self.handle(one),
            64..76 => self.receive(one),
            76..84 => {
                self.time += [SECOND / 3, SECOND, 5 * SECOND, 12 * SECOND, 31 * SECOND]
                    [self.random.usize(0..5)]
            }
            84..87 => self.cut(one),
            87..91 => self.machines[one].is_cut_off = false,
            91..93 => self.deliver_stray(),
            93..96 => self.engine.replicate(),
            96..98 => {
                self.engine.fail_over(self.random.u64(..=APART));
                (self.is_whole, self.is_steady) = (false, false);
            }
            98 => {
                self.engine.lose_all();
                self.is_whole = false;
            }
            _ => self.restart(one),
        }
    }

    fn poll(&mut self, one: usize) {
        if !self.machines[one].is_cut_off && self.machines[one].sent.is_none() {
            self.send(one, Command::Poll);
            self.handle(one);
            self.receive(one);
        }
    }

    /// The machine does what it would do next.
    fn act(&mut self, one: usize) {
        let machine = &mut self.machines[one];
        if machine.is_cut_off || machine.sent.is_some() {
            return;
        }
        let now = machine.clock(self.time);
        match self.random.u8(0..10) {
            0..3 => machine.lease.want(now),
            3 => machine.lease.give_up(now),
            _ => {}
        }
        if let Some(question) = machine.lease.question(now) {
            machine.lease.asked(now);
            return self.send(one, Command::Lease(question));
        }
        if let Verdict::Restore(_) = judge(machine.entry.version, self.engine.data.entry.version)
            && self.random.bool()
        {
            let entry = machine.entry;
            return self.send(one, Command::Restore(entry));
        }
        let Some(fence) = machine.lease.fence(now) else {
            return self.send(one, Command::Poll);
        };
        if machine.keys.is_due(now) && self.random.bool() {
            let id = self.random.u128(..).to_be_bytes();
            let edition = self.random.u64(..);
            let fresh = Generation { id, secret: [0; 32], published: 0, made: 0, edition };
            let keys = machine.keys.proposal(fence, fresh);
            let before = machine.keys_version;
            return self.send(one, Command::Publish { fence, before, keys });
        }
        self.writes += 1;
        let (before, content) = (machine.entry.version, self.writes);
        self.send(one, Command::Put { fence, before, content });
    }

    fn send(&mut self, one: usize, command: Command) {
        let machine = &mut self.machines[one];
        let (at, seen) = (self.time, machine.seen);
        machine.sent = Some(Sent { command, seen, at, reply: None });
    }

    /// The engine handles what the machine has sent.
    fn handle(&mut self, one: usize) {
        let Some(mut sent) = self.machines[one].sent.take() else { return };
        if sent.reply.is_none() {
            let reply = self.execute(one, &sent.command, sent.seen);
            sent.reply = Some((reply, self.time));
        }
        self.machines[one].sent = Some(sent);
    }

    fn execute(&mut self, one: usize, command: &Command, seen: Stamp) -> Reply {
        let before = self.engine.data.written_with;
        let keys_before = self.engine.data.keys.clone();
        let reply = self.engine.handle(one, command, seen, self.time);
        if let (Command::Put { fence, .. }, Reply::Written(_)) = (command, &reply)
            && *fence < before
        {
            self.fault = Some(format!("a write with {fence} after one with {before}"));
        }
        if let (Command::Publish { keys, .. }, Reply::Written(_)) = (command, &reply) {
            let at = self.time;
            self.check_publication(&keys_before, keys);
            self.published.extend(keys.iter().map(|key| Publication { at, key: *key }));
        }
        reply
    }

    fn receive(&mut self, one: usize) {
        let time = self.time;
        let machine = &mut self.machines[one];
        let Some(Sent { command, at, reply: Some((reply, handled)), .. }) =
            machine.sent.take_if(|sent| sent.reply.is_some())
        else {
            return;
        };
        let (sent, received) = (machine.clock(at), machine.clock(time));
        match (command, reply) {
            (_, Reply::Lease(answer)) => {
                let counted = match self.planted {
                    Planted::CountsFromAnswer => received,
                    _ => sent,
                };
                machine.lease.answered(answer, counted);
                self.check_holders();
            }
            (_, Reply::Poll { now, entry, keys, keys_version }) => {
                let highest = keys.iter().map(|key| key.published).max().unwrap_or(0);
                machine.seen = machine.seen.max(now).max(highest).max(keys_version);
                if judge(machine.entry.version, entry.version) == Verdict::Adopt {
                    machine.entry = entry;
                }
                machine.seen = machine.seen.max(entry.version.unwrap_or(0));
                machine.keys_version = keys_version;
                let read = Read { sent, received, engine: now, version: keys_version };
                machine.keys.read(&keys, read);
                let goes_on = machine.polls.filter(|polls| time.saturating_sub(polls.1) <= POLLS);
                let since = goes_on.map_or(handled, |polls| polls.0);
                machine.polls = (time - at <= POLLS).then_some((since, handled));
                self.check_keys(one);
            }
            (Command::Put { content, .. }, Reply::Written(version)) => {
                let written = Entry { version: Some(version), content };
                if judge(machine.entry.version, written.version) == Verdict::Adopt {
                    machine.entry = written;
                }
                machine.seen = machine.seen.max(version);
            }
            _ => {}
        }
    }

    fn cut(&mut self, one: usize) {
        let machine = &mut self.machines[one];
        machine.is_cut_off = true;
        if let Some(Sent { command, seen, reply: None, .. }) = machine.sent.take() {
            self.stray.push((one, command, seen));
        }
    }

    fn deliver_stray(&mut self) {
        if !self.stray.is_empty() {
            let at = self.random.usize(0..self.stray.len());
            let (one, command, seen) = self.stray.swap_remove(at);
            self.execute(one, &command, seen);
        }
    }

    fn restart(&mut self, one: usize) {
        let (ahead, entry) = (self.machines[one].ahead, self.machines[one].entry);
        // Its copy is on its disk.
        let seen = entry.version.unwrap_or(0);
        self.machines[one] = Machine { entry, seen, ..Machine::new(ahead, self.planted) };
    }
}

/// The first seed below `count` that shows a fault.
fn first_fault(planted: Planted, count: u64) -> Option<(u64, String)> {
    const THREADS: u64 = 2;
    let search = |part: u64| {
        let mut seeds = (part..count).step_by(2);
        seeds.find_map(|seed| World::new(seed, planted).run().map(|fault| (seed, fault)))
    };
    std::thread::scope(|scope| {
        let parts = (0..THREADS).map(|part| scope.spawn(move || search(part)));
        let parts: Vec<_> = parts.collect();
        parts.into_iter().filter_map(|part| part.join().unwrap()).min_by_key(|(seed, _)| *seed)
    })
}

#[test]
fn a_million_interleavings_break_nothing() {
    assert_eq!(first_fault(Planted::Nothing, 1_000_000), None);
}

#[test]
fn planted_mistakes_are_found() {
    for planted in [
        Planted::NoFence,
        Planted::CountsFromAnswer,
        Planted::UsesAtOnce,
        Planted::TrustsClock,
        Planted::NoAge,
        Planted::AnyPublishes,
        Planted::RestoresAsNew,
    ] {
        assert!(first_fault(planted, 200_000).is_some(), "{planted:?}");
    }
}
