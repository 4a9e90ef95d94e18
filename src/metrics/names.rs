//! The names that counters are kept by: those of sites and of upstreams. They come from the
//! configuration and never from a client, so that what is kept is bounded. A name keeps its number
//! as long as the process lives: counters must not fall when a reload leaves a name out for a
//! while.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// Numbers by name, from 0.
#[derive(Debug)]
pub(super) struct Names(LazyLock<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    numbers: HashMap<Arc<str>, u32>,
    /// By number.
    names: Vec<Arc<str>>,
}

impl Names {
    pub(super) const fn new() -> Self {
        Self(LazyLock::new(Mutex::default))
    }

    /// The number of a name, which has one from now on.
    pub(super) fn number(&self, name: &Arc<str>) -> u32 {
        let mut known = self.known();
        if let Some(number) = known.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(known.names.len()).unwrap_or(u32::MAX);
        known.numbers.insert(name.clone(), number);
        known.names.push(name.clone());
        number
    }

    pub(super) fn name(&self, number: u32) -> Option<Arc<str>> {
        self.known().names.get(number as usize).cloned()
    }

    /// All names with their numbers, in the order of the numbers.
    pub(super) fn all(&self) -> Vec<(Arc<str>, u32)> {
        self.known().names.iter().cloned().zip(0..).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number() {
        let names = Names::new();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!((names.number(&b), names.number(&a), names.number(&b)), (0, 1, 0));
        assert_eq!((names.name(1), names.name(2)), (Some(a.clone()), None));
        assert_eq!(names.all(), [(b, 0), (a, 1)]);
    }
}
