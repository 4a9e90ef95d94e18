//! What must hold in every order.

use std::time::Duration;

use super::{Command, Generation, MACHINES, POLLS, TIMES, Verdict, World, judge};

impl World {
    /// No two machines believe in one lease, unless the engine has forgotten the grant.
    pub(super) fn check_holders(&mut self) {
        let time = self.time;
        let holders: Vec<usize> = (0..MACHINES)
            .filter(|one| {
                let machine = &self.machines[*one];
                machine.lease.fence(machine.clock(time)).is_some()
            })
            .collect();
        if self.is_whole && holders.len() > 1 {
            self.fault = Some(format!("{holders:?} hold one lease"));
        }
    }

    /// Whoever publishes has read what was published before, and drops only the oldest.
    pub(super) fn check_publication(&mut self, before: &[Generation], keys: &[Generation]) {
        let is_there = |key: &Generation| keys.iter().any(|known| known.id == key.id);
        let is_kept = before.iter().rev().take(TIMES.kept - 1).all(is_there);
        // What was lost takes the place of more.
        if self.is_whole && !is_kept {
            self.fault = Some(format!("{keys:?} in place of {before:?}"));
        }
    }

    /// All machines that have polled since before a key was made know the key that one uses, and
    /// it is not too old.
    pub(super) fn check_keys(&mut self, one: usize) {
        let machine = &self.machines[one];
        let Some(key) = machine.keys.current(machine.clock(self.time)).copied() else { return };
        let publication = self.published.iter().find(|publication| publication.key.id == key.id);
        let Some(published) = publication.map(|publication| publication.at) else { return };
        let age = Duration::from_micros(self.time - published);
        if self.is_steady && age > TIMES.used {
            self.fault = Some(format!("machine {one} uses a key that is {age:?} old"));
        }
        for (other, machine) in self.machines.iter().enumerate() {
            let has_polled = machine.polls.is_some_and(|(since, until)| {
                since <= published && self.time.saturating_sub(until) <= POLLS
            });
            let now = machine.clock(self.time);
            if has_polled && !machine.keys.accepted(now).any(|known| known.id == key.id) {
                self.fault = Some(format!("machine {one} uses a key that {other} cannot know"));
            }
        }
    }

    /// When all is well again, all have the newest copy that a machine had.
    pub(super) fn settle(&mut self) {
        let newest = |world: &Self| {
            let copies = world.machines.iter().map(|machine| machine.entry);
            copies.chain([world.engine.data.entry]).max_by_key(|entry| entry.version)
        };
        let expected = newest(self).unwrap_or_default();
        for one in (0..MACHINES).chain(0..MACHINES) {
            let machine = &mut self.machines[one];
            (machine.is_cut_off, machine.sent) = (false, None);
            let own = machine.entry;
            if let Verdict::Restore(_) = judge(own.version, self.engine.data.entry.version) {
                self.execute(one, &Command::Restore(own), own.version.unwrap_or(0));
            }
            self.poll(one);
        }
        for machine in &self.machines {
            if machine.entry.content != expected.content {
                self.fault = Some(format!("{:?} in place of {expected:?}", machine.entry));
            }
        }
    }
}
