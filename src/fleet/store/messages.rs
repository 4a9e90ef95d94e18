//! What this process has told and heard, so that nothing is heard twice.

use std::collections::HashMap;
use std::time::Instant;

/// Senders that are remembered. Without places the one whose number is lowest is forgotten, which
/// has told least: it is heard again with its next message.
const SENDERS: usize = 4096;

/// What this process has told and heard.
pub(super) struct Messages {
    /// A number that no other process has.
    pub(super) sender: u64,
    /// Messages told.
    pub(super) count: u64,
    /// How many listened to the last one; 0: not known.
    pub(super) listeners: usize,
    /// The number of the last message of each other sender.
    heard: HashMap<u64, u64>,
    pub(super) due: Instant,
    /// When pages are looked after next.
    pub(super) pages: Instant,
    pub(super) listens: bool,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            sender: fastrand::u64(..),
            count: 0,
            listeners: 0,
            heard: HashMap::new(),
            due: Instant::now(),
            pages: Instant::now(),
            listens: false,
        }
    }
}

impl Messages {
    /// Whether a message of this number is new.
    pub(super) fn is_new(&mut self, sender: u64, number: u64) -> bool {
        if sender == self.sender {
            return false;
        }
        if !self.heard.contains_key(&sender) && self.heard.len() >= SENDERS {
            let least = self.heard.iter().min_by_key(|(_, number)| **number).map(|(one, _)| *one);
            least.map(|one| self.heard.remove(&one));
        }
        let last = self.heard.entry(sender).or_insert(0);
        let is_new = number > *last;
        *last = number.max(*last);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_heard_twice() {
        let mut told = Messages::default();
        let own = told.sender;
        assert!(!told.is_new(own, 1));
        for (sender, number, expected) in
            [(1, 1, true), (1, 1, false), (1, 5, true), (1, 3, false), (2, 1, true), (1, 6, true)]
        {
            assert_eq!(told.is_new(own ^ sender, number), expected, "{sender} {number}");
        }
        for sender in 3..10_000 {
            assert!(told.is_new(own ^ sender, 1));
        }
        assert!(told.heard.len() <= SENDERS);
        assert!(!told.is_new(own ^ 1, 6));
    }
}
