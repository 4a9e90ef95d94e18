//! What happens on the way, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Packets that came here and were handed over.
    HandedOver,
    /// Packets that another machine has handed over.
    Taken,
    /// Packets that went back by another machine.
    Answered,
    /// Messages that are not of the fleet, too old, or came before.
    Refused,
}

impl Counted {
    pub const ALL: [Self; 4] = [Self::HandedOver, Self::Taken, Self::Answered, Self::Refused];

    pub fn name(self) -> &'static str {
        match self {
            Self::HandedOver => "handed_over",
            Self::Taken => "taken",
            Self::Answered => "answered",
            Self::Refused => "refused",
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counts([AtomicU64; Counted::ALL.len()]);

impl Counts {
    pub(super) fn of(&self, what: Counted) -> u64 {
        self.0[what as usize].load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, what: Counted) {
        self.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }
}
