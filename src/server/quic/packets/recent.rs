//! A bounded table of what was seen a short time ago.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// A full table is searched for old entries once in this time: a search costs as much as hundreds
/// of packets.
pub(in crate::server::quic) const SEARCH: Duration = Duration::from_secs(1);

/// A point in time.
pub(in crate::server::quic) trait Moment: Copy {
    /// Zero if that was later.
    fn since(self, earlier: Self) -> Duration;
}

impl Moment for Instant {
    fn since(self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

/// As the time since some begin.
impl Moment for Duration {
    fn since(self, earlier: Self) -> Duration {
        self.saturating_sub(earlier)
    }
}

#[derive(Debug)]
pub(in crate::server::quic) struct Recent<K, V, T> {
    entries: HashMap<K, Entry<V, T>>,
    most: usize,
    kept: Duration,
    searched: Option<T>,
}

#[derive(Debug)]
struct Entry<V, T> {
    value: V,
    at: T,
}

impl<K: Eq + Hash, V, T: Moment> Recent<K, V, T> {
    /// At most so many entries, each for so long.
    pub(in crate::server::quic) fn new(most: usize, kept: Duration) -> Self {
        Self { entries: HashMap::new(), most, kept, searched: None }
    }

    pub(in crate::server::quic) fn len(&self) -> usize {
        self.entries.len()
    }

    /// False: the table is full.
    #[must_use]
    pub(in crate::server::quic) fn insert(&mut self, key: K, value: V, now: T) -> bool {
        let has_room = self.has_room(&key, now);
        if has_room {
            self.entries.insert(key, Entry { value, at: now });
        }
        has_room
    }

    /// The value, which is as old as it was, or a new one; `None` if the table is full.
    pub(in crate::server::quic) fn get_or_default(&mut self, key: K, now: T) -> Option<&mut V>
    where
        V: Default,
    {
        let kept = self.kept;
        if !self.has_room(&key, now) {
            return None;
        }
        let fresh = || Entry { value: V::default(), at: now };
        let entry = self.entries.entry(key).or_insert_with(fresh);
        if now.since(entry.at) >= kept {
            *entry = fresh();
        }
        Some(&mut entry.value)
    }

    pub(in crate::server::quic) fn get(&self, key: &K, now: T) -> Option<&V> {
        let entry = self.entries.get(key)?;
        (now.since(entry.at) < self.kept).then_some(&entry.value)
    }

    pub(in crate::server::quic) fn get_mut(&mut self, key: &K, now: T) -> Option<&mut V> {
        let entry = self.entries.get_mut(key)?;
        (now.since(entry.at) < self.kept).then_some(&mut entry.value)
    }

    pub(in crate::server::quic) fn remove(&mut self, key: &K) {
        self.entries.remove(key);
    }

    /// Those that are not old.
    pub(in crate::server::quic) fn iter(&self, now: T) -> impl Iterator<Item = (&K, &V)> {
        let kept = self.entries.iter().filter(move |(_, entry)| now.since(entry.at) < self.kept);
        kept.map(|(key, entry)| (key, &entry.value))
    }

    pub(in crate::server::quic) fn retain(&mut self, mut stays: impl FnMut(&V) -> bool) {
        self.entries.retain(|_, entry| stays(&entry.value));
    }

    fn has_room(&mut self, key: &K, now: T) -> bool {
        if self.entries.len() < self.most || self.entries.contains_key(key) {
            return true;
        }
        if self.searched.is_none_or(|at| now.since(at) >= SEARCH) {
            self.searched = Some(now);
            let kept = self.kept;
            self.entries.retain(|_, entry| now.since(entry.at) < kept);
        }
        self.entries.len() < self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 100;
    const KEPT: Duration = Duration::from_secs(60);

    #[test]
    fn a_full_table_is_searched_once_a_second() {
        let mut table = Recent::new(MOST, KEPT);
        for number in 0..MOST {
            assert!(table.insert(number, 'a', Duration::ZERO));
        }
        let late = KEPT - SEARCH / 2;
        assert!(!table.insert(MOST, 'b', late));
        assert!(table.insert(1, 'c', late), "one that is known stays");
        // All others are old now, but the search was just done.
        assert!(!table.insert(MOST, 'b', KEPT));
        assert_eq!(table.get_or_default(MOST, KEPT), None);
        assert!(table.insert(MOST, 'b', late + SEARCH));
        assert_eq!(table.len(), 2);
        let mut left: Vec<_> = table.iter(KEPT).map(|(key, value)| (*key, *value)).collect();
        left.sort_unstable();
        assert_eq!(left, [(1, 'c'), (MOST, 'b')]);
        assert_eq!(table.get(&1, late + KEPT), None, "old, though it is there");
        table.retain(|value| *value == 'c');
        table.remove(&1);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn an_old_value_begins_anew() {
        let (mut table, begin) = (Recent::new(MOST, KEPT), Instant::now());
        let mut next = |after| {
            let value: &mut u8 = table.get_or_default((), begin + after).unwrap();
            *value += 1;
            *value
        };
        // It is as old as its first use.
        assert_eq!([SEARCH, KEPT, KEPT + SEARCH].map(&mut next), [1, 2, 1]);
    }
}
