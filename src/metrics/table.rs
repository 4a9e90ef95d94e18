//! Counters by a number that the configuration gives, of one worker: written by it, and read by
//! every thread while it grows.

use std::sync::OnceLock;

/// Entries of the first segment; each further one has twice as many as the one before.
const FIRST: usize = 16;
const SEGMENTS: usize = 24;

/// Grows without moving what is there, so that readers need no lock.
#[derive(Debug)]
pub struct Table<T> {
    segments: [OnceLock<Box<[T]>>; SEGMENTS],
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { segments: std::array::from_fn(|_| OnceLock::new()) }
    }
}

impl<T: Default> Table<T> {
    /// The entry of a number. Numbers are given one after the other, so the table is as long as
    /// there are names in the configuration.
    pub fn at(&self, number: u32) -> &T {
        let (segment, offset) = place(number as usize);
        let make = || (0..FIRST << segment).map(|_| T::default()).collect();
        &self.segments[segment].get_or_init(make)[offset]
    }

    /// The same for a reader, which makes none.
    pub fn get(&self, number: u32) -> Option<&T> {
        let (segment, offset) = place(number as usize);
        Some(&self.segments[segment].get()?[offset])
    }
}

/// The segment of a number, and its place there.
fn place(number: usize) -> (usize, usize) {
    let from_first = number.saturating_add(FIRST);
    let segment = (from_first.ilog2() - FIRST.ilog2()) as usize;
    (segment.min(SEGMENTS - 1), from_first - (FIRST << segment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::counter::Counter;

    #[test]
    fn every_number_has_an_entry_of_its_own() {
        let table = Table::<Counter>::default();
        assert!(table.get(5).is_none());
        (0..1000).for_each(|number| table.at(number).add(u64::from(number)));
        for number in 0..1000 {
            assert_eq!(table.get(number).map(Counter::get), Some(u64::from(number)));
        }
        assert_eq!((place(0), place(15), place(16), place(48)), ((0, 0), (0, 15), (1, 0), (2, 0)));
    }
}
