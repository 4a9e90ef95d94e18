//! The same experiment on the machines of a fleet: each keeps its days where the others read them,
//! and a report adds them up. A day of a machine has one place, so that it counts once, however
//! often the machine starts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use super::Experiment;
use super::draw::day_of;
use crate::fleet::common::{Page, Pages, Turn};
use crate::quic_report::Book;

/// Of a page after it was written last.
const KEPT: Duration = Duration::from_secs(Book::MOST_DAYS as u64 * 86_400);
/// Days that still change: those of yesterday that have come since the last turn, and clocks that
/// differ.
const OPEN: u32 = 2;

/// What the other machines have measured.
#[derive(Default)]
pub(super) struct OtherMachines {
    book: Book,
    /// Machines by day.
    machines: BTreeMap<u32, BTreeSet<String>>,
    /// How often it has changed.
    pub(super) changes: u64,
}

impl OtherMachines {
    /// The book of all machines, and how many they are.
    pub(super) fn with(&self, own: &Book, days: u32) -> (Book, usize) {
        let today = day_of(SystemTime::now());
        let mut all = own.clone();
        all.add(&self.book, &mut fastrand::Rng::with_seed(self.changes));
        all.forget(today, days);
        let there: BTreeSet<_> =
            self.machines.range(today.saturating_sub(days.max(1) - 1)..).collect();
        let names: BTreeSet<_> = there.iter().flat_map(|(_, names)| names.iter()).collect();
        (all, names.len() + 1)
    }

    fn read(&mut self, day: u32, own: &str, pages: &[Page]) {
        let mut random = fastrand::Rng::with_seed(u64::from(day));
        let mut all = Book::default();
        let mut names = BTreeSet::new();
        for page in pages.iter().filter(|page| page.machine != own) {
            // Of another version, for instance.
            let Ok(book) = Book::decode(&page.content) else { continue };
            if book.days() == [day] {
                all.add(&book, &mut random);
                names.insert(page.machine.clone());
            }
        }
        self.book.remove(day);
        self.book.add(&all, &mut random);
        self.machines.insert(day, names);
        self.changes += 1;
    }

    fn forget(&mut self, today: u32) {
        self.book.forget(today, Book::MOST_DAYS);
        self.machines.retain(|day, _| today.saturating_sub(*day) < Book::MOST_DAYS);
    }
}

impl Pages for Experiment {
    /// The days that change, and with `first`, on a new connection, those that it may have lost and
    /// those that were not read.
    fn turns(&self, first: bool) -> Vec<Turn> {
        let today = day_of(SystemTime::now());
        let days = self.days();
        let mut inner = self.inner();
        let own = inner.collect().book().clone();
        let machine = inner.machine();
        let known: BTreeSet<_> = self.others().machines.keys().copied().collect();
        let turn = |day: u32| {
            let is_open = today - day < OPEN;
            let page = own.only(day);
            let page = (!page.is_empty() && !inner.released).then(|| page.encode());
            let is_due = is_open || first;
            let is_read = is_open || !known.contains(&day);
            is_due.then(|| Turn {
                shelf: self.shelf(day),
                number: day,
                machine: machine.clone(),
                page,
                is_kept: !is_open,
                is_read,
                kept: KEPT,
            })
        };
        (0..days).filter_map(|ago| turn(today.checked_sub(ago)?)).collect()
    }

    fn read(&self, day: u32, pages: Vec<Page>) {
        let own = self.inner().machine();
        let mut machines = self.others();
        machines.read(day, &own, &pages);
        machines.forget(day_of(SystemTime::now()));
    }
}

impl Experiment {
    fn shelf(&self, day: u32) -> String {
        format!("quic_report/1/{day}/{}", self.site())
    }
}

#[cfg(test)]
mod tests;
