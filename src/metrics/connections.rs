//! The counters of connections, as their worker writes them.

use super::counter::Counter;

/// The connections of clients.
#[derive(Debug, Default)]
pub struct Connections {
    pub(super) opened: Counter,
    pub(super) open: Counter,
}

impl Connections {
    pub fn open(&self) {
        self.opened.add(1);
        self.open.add(1);
    }

    pub fn close(&self) {
        self.open.subtract(1);
    }
}
