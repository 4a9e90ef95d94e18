//! The counters of a fleet: each machine tells the others which clients have spent most since it
//! told last, and counts what it hears. Requests are counted as without a fleet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::ledger::{Entry, Ledger};
use super::quota::Moment;
use super::table::{Spent, Table};
use crate::fleet::common::{Common, Teller};
use crate::limits::{FLEET_TELL, RATELIMIT_COMMON, RATELIMIT_TOLD};

/// Another form of the messages needs another name.
const NAME: &str = "told/ratelimit/1";
/// Clients that one machine hears of in a second, from all others; one that tells tells of some.
const HEARD: usize = 1024;
const FEWEST: usize = 16;
/// A message covers no more time, whatever it says.
const LONGEST: u64 = 10_000_000_000;
/// Bytes of an entry: the client's key, what it has spent, and its window.
const ENTRY: usize = 24;

/// A table whose counters other machines have too.
pub(super) struct OtherMachines {
    table: &'static Table,
    state: Mutex<State>,
}

struct State {
    ledger: Ledger,
    /// When this machine told last.
    told: Moment,
}

/// Has the counters of this table told to all machines.
pub(super) fn share(table: &'static Table, common: &Common) {
    common.add(NAME, || Arc::new(OtherMachines::new(table)));
}

impl OtherMachines {
    pub(super) fn new(table: &'static Table) -> Self {
        let state = State { ledger: Ledger::new(RATELIMIT_COMMON), told: 0 };
        Self { table, state: Mutex::new(state) }
    }

    /// What was spent since the last call, of the clients that have spent the largest part of
    /// their quotas.
    pub(super) fn told_at(&self, now: Moment, listeners: usize) -> Option<Vec<u8>> {
        let most = HEARD.checked_div(listeners).unwrap_or(RATELIMIT_TOLD);
        let spent = self.table.take_spent(most.clamp(FEWEST, RATELIMIT_TOLD), now);
        let mut state = self.state();
        let time = now.saturating_sub(state.told).min(LONGEST);
        state.told = now;
        if spent.is_empty() {
            return None;
        }
        let since = now.saturating_sub(time);
        let mut message = time.to_le_bytes().to_vec();
        for Spent { entry, own, .. } in spent {
            // What was left over before has been refilled in part meanwhile.
            let still = own.saturating_add(entry.spent).saturating_sub(since);
            let entry = Entry { spent: entry.spent.min(still), ..entry };
            let counter = state.ledger.add(&entry, since, now, own);
            self.table.raise(entry.key, counter, entry.most(now));
            let Entry { key, spent, window } = entry;
            message.extend([key, spent, window].iter().flat_map(|number| number.to_le_bytes()));
        }
        Some(message)
    }

    pub(super) fn heard_at(&self, now: Moment, message: &[u8]) {
        let Some((time, entries)) = message.split_first_chunk::<8>() else { return };
        let since = now.saturating_sub(u64::from_le_bytes(*time).min(LONGEST));
        let (entries, rest) = entries.as_chunks::<ENTRY>();
        if !rest.is_empty() || entries.len() > RATELIMIT_TOLD {
            return;
        }
        let mut state = self.state();
        for entry in entries.iter().filter_map(read) {
            let counter = state.ledger.add(&entry, since, now, self.table.settled(entry.key));
            // Who has all requests again needs no place.
            if counter > now {
                self.table.raise(entry.key, counter, entry.most(now));
            }
        }
    }

    /// What was let through meanwhile stays in this machine's counters.
    pub(super) fn begin_at(&self, now: Moment) {
        self.table.forget_spent();
        let mut state = self.state();
        state.ledger.clear();
        let period = u64::try_from(FLEET_TELL.as_nanos()).unwrap_or(LONGEST);
        state.told = now.saturating_sub(period);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(entry: &[u8; ENTRY]) -> Option<Entry> {
    let (numbers, _) = entry.as_chunks::<8>();
    let [key, spent, window] = *numbers else { return None };
    let [key, spent, window] = [key, spent, window].map(u64::from_le_bytes);
    // A window is never longer than ten years.
    (key != 0 && window <= super::quota::LONGEST).then_some(Entry { key, spent, window })
}

impl Teller for OtherMachines {
    fn tell(&self, listeners: usize) -> Option<Vec<u8>> {
        self.told_at(self.table.moment(Instant::now()), listeners)
    }

    fn hear(&self, told: &[u8]) {
        self.heard_at(self.table.moment(Instant::now()), told);
    }

    fn begin(&self) {
        self.begin_at(self.table.moment(Instant::now()));
    }
}

#[cfg(test)]
mod tests;
