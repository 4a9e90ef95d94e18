//! The table of `ratelimit`, with all the clients that it has places for.

#![allow(dead_code, reason = "the server's own modules, of which only the decisions are counted")]

#[path = "../../src/directives/ratelimit/ledger.rs"]
mod ledger;
#[path = "../../src/directives/ratelimit/quota.rs"]
mod quota;
#[path = "../../src/directives/ratelimit/slots.rs"]
mod slots;
#[path = "../../src/directives/ratelimit/spending.rs"]
mod spending;
#[path = "../../src/directives/ratelimit/table.rs"]
mod table;

use std::time::{Duration, Instant};

use caddy::limits::RATELIMIT_CLIENTS;
use quota::{Moment, Quota};
use table::Table;

/// Decisions that are counted at once: where in its set a client is found differs.
const DECISIONS: u64 = 1000;

/// A table, and the first of the clients that are about to ask.
pub struct Clients {
    table: Table,
    quota: Quota,
    now: Moment,
    first: u64,
}

impl Clients {
    /// They have places.
    pub fn known() -> Self {
        Self::of(RATELIMIT_CLIENTS as u64 / 2, 0)
    }

    /// Half of the places are free.
    pub fn new() -> Self {
        let clients = RATELIMIT_CLIENTS as u64 / 2;
        Self::of(clients, clients)
    }

    /// All places are taken: each takes that of another client.
    pub fn displacing() -> Self {
        let clients = RATELIMIT_CLIENTS as u64 * 4;
        Self::of(clients, clients)
    }

    fn of(clients: u64, first: u64) -> Self {
        let table = Table::new(RATELIMIT_CLIENTS);
        let Some(quota) = Quota::new(10, Duration::from_secs(1), 20) else { panic!("no quota") };
        let now = table.moment(Instant::now());
        for client in 0..clients {
            table.take(table.key(client), &quota, now);
        }
        Self { table, quota, now, first }
    }

    /// How many may go on.
    pub fn decide(&self) -> usize {
        let all = self.first..self.first + DECISIONS;
        let verdicts =
            all.map(|client| self.table.take(self.table.key(client), &self.quota, self.now));
        verdicts.filter(|verdict| verdict.is_allowed).count()
    }
}
