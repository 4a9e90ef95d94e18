//! The counters of requests and connections, as their worker writes them.

use std::time::Duration;

use super::counter::Counter;
use super::histogram::Histogram;

/// The protocol of a client, by which everything is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 and what is older.
    Http1,
    Http2,
    Http3,
}

impl Protocol {
    pub const COUNT: usize = 3;
    pub const ALL: [Self; Self::COUNT] = [Self::Http1, Self::Http2, Self::Http3];

    pub fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http3 => "HTTP/3",
        }
    }
}

/// Classes of status codes, from 1xx to 5xx.
pub(super) const CLASSES: usize = 5;

/// The requests of one kind.
#[derive(Debug, Default)]
pub struct Requests {
    pub(super) classes: [Counter; CLASSES],
    pub(super) in_flight: Counter,
    pub(super) bytes: Counter,
    pub(super) latency: Histogram,
}

impl Requests {
    /// A request has come.
    pub fn begin(&self) {
        self.in_flight.add(1);
    }

    /// The head of its response is ready, `after` the request's.
    pub fn answer(&self, status: u16, after: Duration) {
        self.classes[class(status)].add(1);
        self.latency.record(after);
    }

    /// The client has left without a response; `status` stands for that in logs.
    pub fn leave(&self, status: u16) {
        self.classes[class(status)].add(1);
    }

    /// Content of a response has left.
    pub fn sent(&self, bytes: u64) {
        self.bytes.add(bytes);
    }

    /// Its response has ended, or its client has left.
    pub fn end(&self) {
        self.in_flight.subtract(1);
    }
}

fn class(status: u16) -> usize {
    usize::from(status / 100).clamp(1, CLASSES) - 1
}

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
