//! What workers tell of visitors.

use std::time::{Duration, Instant};

use super::draw::Visitor;
use crate::quic_report::Kind;

/// Something that a worker has seen.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// The first answer on a connection has told its visitor what it is offered.
    Connected(Visitor, Connected),
    Answered(Visitor, Answer),
    Reported(Visitor, Beacon),
    /// A handshake has failed.
    NotConnected(Visitor),
    /// A connection has ended.
    Ended {
        visitor: Visitor,
        http3: bool,
        figures: Figures,
    },
}

/// The first answer on a connection has begun.
#[derive(Debug, Clone, Copy)]
pub struct Connected {
    pub at: Instant,
    /// The first round trip that was measured.
    pub rtt: Duration,
    pub http3: bool,
}

/// The times of one answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    pub requested: Instant,
    pub kind: Kind,
    pub http3: bool,
    /// From the first packet to the request, if the visitor waited for it.
    pub setup: Option<Duration>,
    /// From the request to the first and to the last acknowledged byte.
    pub first: Option<Duration>,
    pub last: Duration,
}

/// What a page says of its own load.
#[derive(Debug, Clone, Copy)]
pub struct Beacon {
    pub at: Instant,
    pub http3: bool,
    pub connect: Duration,
    pub response: Duration,
    pub lcp: Option<Duration>,
}

/// What is counted of a connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    pub requests: u64,
    pub failures: u64,
    pub packets: u64,
    pub lost: u64,
}
