//! Machines that tell each other, in a time of their own.

use std::time::Duration;

use super::*;
use crate::directives::ratelimit::quota::Quota;
use crate::directives::ratelimit::slots::Key;
use crate::fleet::seal::Seal;

const MILLI: u64 = 1_000_000;

/// Machines with one table each, which tell once a second, not at the same moment.
struct World {
    machines: Vec<OtherMachines>,
    quota: Quota,
    /// Milliseconds.
    now: u64,
    /// How long a message is under way.
    delay: u64,
    is_cut: bool,
    under_way: Vec<Message>,
    /// When requests were allowed.
    allowed: Vec<u64>,
    longest: usize,
}

struct Message {
    at: u64,
    from: usize,
    bytes: Vec<u8>,
}

impl World {
    fn new(machines: usize, requests: u64, seconds: u64, burst: u64) -> Self {
        let common = Seal::new(&[1; 32]).unwrap().common();
        let quota = Quota::new(requests, Duration::from_secs(seconds), burst).unwrap();
        // Leaked, as the table of a process is.
        let table = || -> &'static Table { Box::leak(Box::new(Table::of_fleet(1 << 14, &common))) };
        let machines: Vec<_> = (0..machines).map(|_| OtherMachines::new(table())).collect();
        let numbered: Vec<_> = machines.iter().map(|one| one.table.quota(quota)).collect();
        let (under_way, allowed) = (Vec::new(), Vec::new());
        let (now, delay, is_cut, longest) = (1_000_000, 20, false, 0);
        let quota = numbered[0];
        Self { machines, quota, now, delay, is_cut, under_way, allowed, longest }
    }

    fn key(&self, client: u64) -> Key {
        self.machines[0].table.key(client)
    }

    fn ask(&mut self, machine: usize, client: u64) -> bool {
        let (key, now) = (self.key(client), self.now * MILLI);
        let is_allowed = self.machines[machine].table.take(key, &self.quota, now).is_allowed;
        if is_allowed {
            self.allowed.push(self.now);
        }
        is_allowed
    }

    /// Asks so often.
    fn asks(&mut self, machine: usize, client: u64, times: usize) {
        for _ in 0..times {
            self.ask(machine, client);
        }
    }

    /// One millisecond passes.
    fn step(&mut self) {
        self.now += 1;
        let count = self.machines.len();
        for (from, one) in self.machines.iter().enumerate() {
            let phase = u64::try_from(from).unwrap() * 271 % 1000;
            if self.now % 1000 != phase {
                continue;
            }
            let Some(bytes) = one.told_at(self.now * MILLI, count) else { continue };
            self.longest = self.longest.max(bytes.len());
            if !self.is_cut {
                self.under_way.push(Message { at: self.now + self.delay, from, bytes });
            }
        }
        for message in self.under_way.extract_if(.., |message| message.at <= self.now) {
            let others = self.machines.iter().enumerate().filter(|(to, _)| *to != message.from);
            others.for_each(|(_, one)| one.heard_at(self.now * MILLI, &message.bytes));
        }
    }

    fn pass(&mut self, millis: u64) {
        (0..millis).for_each(|_| self.step());
    }

    /// The most that were allowed in any stretch of so many milliseconds.
    fn most_within(&self, millis: u64) -> usize {
        let within = |from: &u64| {
            let end = self.allowed.partition_point(|at| *at < from + millis);
            end - self.allowed.partition_point(|at| at < from)
        };
        self.allowed.iter().map(within).max().unwrap_or(0)
    }
}

#[test]
fn a_flood_to_all_machines_gets_the_limit_and_what_passed_meanwhile() {
    // 10 a second, 20 at once.
    let mut world = World::new(3, 10, 1, 20);
    for _ in 0..60_000 {
        (0..3).for_each(|machine| world.asks(machine, 7, 1));
        world.step();
    }
    let (all, most) = (world.allowed.len(), world.most_within(10_000));
    // At two machines more, what is there at once and what comes back in two seconds.
    assert!((580..=620 + 2 * 40).contains(&all), "{all} in a minute");
    assert!(most <= 120 + 2 * 40, "{most} in ten seconds");
    // After the beginning it is the rate.
    world.allowed.retain(|at| *at >= 1_020_000);
    assert!((380..=430).contains(&world.allowed.len()), "{} in 40 s", world.allowed.len());
}

#[test]
fn who_keeps_to_the_limit_is_let_in_everywhere() {
    for (requests, burst, every) in [(100, 20, 11), (100, 1000, 11), (10, 10, 110), (1000, 50, 2)] {
        for delay in [1, 20, 200] {
            let mut world = World::new(3, requests, 1, burst);
            world.delay = delay;
            for at in 0..20_000 {
                if at % every == 0 {
                    let machine = usize::try_from(at / every % 3).unwrap();
                    assert!(world.ask(machine, 7), "{requests}/s, {burst}: at {at} ms");
                }
                world.step();
            }
        }
    }
}

#[test]
fn a_client_that_goes_from_machine_to_machine_has_one_quota() {
    // 60 an hour.
    let mut world = World::new(3, 60, 3600, 60);
    for second in 0..300 {
        world.ask(second % 3, 7);
        world.pass(1000);
    }
    // One comes back each minute. Each machine may let one through that the others do not know.
    assert!((60..=68).contains(&world.allowed.len()), "{}", world.allowed.len());

    let mut world = World::new(2, 60, 3600, 60);
    world.asks(0, 7, 80);
    world.pass(1100);
    assert_eq!(world.allowed.len(), 60);
    assert!(!world.ask(1, 7) && world.ask(1, 8));
}

/// All in the first moment: each machine gives all that it has. What is too much is owed, for a
/// window at most.
#[test]
fn what_was_too_much_is_owed() {
    let mut world = World::new(3, 60, 60, 60);
    for machine in 0..3 {
        world.asks(machine, 7, 80);
    }
    assert_eq!(world.allowed.len(), 180);
    world.pass(1500);
    for _ in 0..55 {
        world.pass(1000);
        assert!((0..3).all(|machine| !world.ask(machine, 7)));
    }
    world.pass(7000);
    assert!(world.ask(1, 7));
}

#[test]
fn without_messages_each_machine_has_its_own_and_then_they_share_again() {
    let mut world = World::new(2, 60, 60, 10);
    world.is_cut = true;
    (0..2).for_each(|machine| world.asks(machine, 7, 30));
    world.pass(3000);
    assert_eq!(world.allowed.len(), 20);
    (world.is_cut, world.allowed) = (false, Vec::new());
    let now = world.now * MILLI;
    world.machines.iter().for_each(|one| one.begin_at(now));
    world.pass(20_000);
    world.asks(0, 7, 30);
    assert_eq!(world.allowed.len(), 10);
    world.pass(1100);
    world.asks(1, 7, 30);
    // What came back, and what may have come back before it was told.
    assert!(world.allowed.len() <= 12, "{}", world.allowed.len());
}

#[test]
fn messages_are_bounded_and_nobody_who_is_limited_is_forgotten() {
    let mut world = World::new(2, 60, 3600, 3);
    for client in 0..2000 {
        (0..3).for_each(|_| assert!(world.ask(0, client)));
    }
    world.pass(1000);
    assert_eq!(world.longest, 8 + 256 * ENTRY);
    world.pass(8000);
    for client in 0..2000 {
        assert!(!world.ask(1, client), "{client}");
    }
    // Nothing is told when nothing was spent.
    let (one, now) = (&world.machines[0], world.now * MILLI);
    assert_eq!(one.told_at(now + 1, 2), None);
    assert_eq!(one.told_at(now + 2, 2), None);
}

#[test]
fn what_is_no_message_changes_nothing() {
    let mut world = World::new(1, 1, 60, 1);
    let (now, one) = (world.now * MILLI, &world.machines[0]);
    let key = world.key(7).0;
    let message = |key: u64, spent: u64, window: u64| {
        let numbers = [1_000_000_000, key, spent, window];
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>()
    };
    for bytes in [vec![], vec![1; 7], vec![1; 9], vec![255; 8 + ENTRY], vec![0; 8 + ENTRY]] {
        one.heard_at(now, &bytes);
    }
    one.heard_at(now, &message(key, u64::MAX, u64::MAX));
    one.heard_at(now, &[vec![0; 8], vec![1; 257 * ENTRY]].concat());
    assert!(world.ask(0, 7));
    let one = &world.machines[0];
    one.heard_at(now, &message(key, u64::MAX, 60_000_000_000));
    assert!(!world.ask(0, 7));
    // No longer than two windows.
    world.now += 125_000;
    assert!(world.ask(0, 7));
}

/// Others have spent more each second, so that this client is not told of for five seconds.
#[test]
fn a_client_that_is_told_late_is_not_charged_twice() {
    let common = Seal::new(&[1; 32]).unwrap().common();
    let quota = Quota::new(10, Duration::from_secs(1), 20).unwrap();
    let table: &'static Table = Box::leak(Box::new(Table::of_fleet(1 << 14, &common)));
    let machines = OtherMachines::new(table);
    let quota = table.quota(quota);
    let take =
        |client: u64, milli: u64| table.take(table.key(client), &quota, milli * MILLI).is_allowed;
    machines.begin_at(1_000_000 * MILLI);
    for milli in 1_000_000..1_010_000 {
        // 8 of its 10 requests a second.
        if milli % 125 == 0 {
            assert!(take(0, milli), "at {milli} ms");
        }
        // Those that spend all they have in each of the first five seconds.
        if milli % 1000 == 999 && milli < 1_005_000 {
            for client in 1..=FEWEST as u64 {
                while take(client, milli) {}
            }
        }
        if milli % 1000 == 0 {
            machines.told_at(milli * MILLI, 1 << 20);
        }
    }
}
