//! The counters of the requests of one site over one protocol and one family of addresses, as their
//! worker writes them.

use std::net::IpAddr;
use std::sync::OnceLock;

use super::counter::Counter;
use super::histogram::Measured;
use super::powers::Powers;
use super::protocol::Protocol;
use super::status::{CLASSES, STATUSES, class, place};

/// The family of a client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const ALL: [Self; 2] = [Self::V4, Self::V6];

    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv6() { Self::V6 } else { Self::V4 }
    }
}

/// The requests of one kind. Most sites are visited by few kinds, so each is made with its first
/// request.
#[derive(Debug, Default)]
pub struct SiteTraffic([OnceLock<Box<Traffic>>; Protocol::COUNT * Family::ALL.len()]);

impl SiteTraffic {
    pub(super) fn of(&self, protocol: Protocol, family: Family) -> &Traffic {
        self.0[at(protocol, family)].get_or_init(Box::default)
    }

    pub(super) fn get(&self, protocol: Protocol, family: Family) -> Option<&Traffic> {
        self.0[at(protocol, family)].get().map(Box::as_ref)
    }
}

fn at(protocol: Protocol, family: Family) -> usize {
    protocol as usize * Family::ALL.len() + family as usize
}

/// Requests of a site. No two workers share a cache line; processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
pub struct Traffic {
    pub(super) in_flight: Counter,
    pub(super) bytes: Counter,
    pub(super) duration: Powers,
    pub(super) statuses: [Counter; STATUSES],
    pub(super) classes: [OnceLock<Box<ClassTraffic>>; CLASSES],
}

/// The responses of one class of status codes.
#[derive(Debug, Default)]
pub(super) struct ClassTraffic {
    pub(super) latency: Powers,
    pub(super) size: Powers,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            in_flight: Counter::default(),
            bytes: Counter::default(),
            duration: Powers::default(),
            statuses: std::array::from_fn(|_| Counter::default()),
            classes: std::array::from_fn(|_| OnceLock::new()),
        }
    }
}

impl Traffic {
    /// A request has come.
    pub fn begin(&self) {
        self.in_flight.add(1);
    }

    /// The head of its response is ready, `after` the request's.
    pub fn answer(&self, status: u16, after: Measured) {
        self.statuses[place(status)].add(1);
        self.class(status).latency.record_time(after);
    }

    /// The client has left without a response; `status` stands for that in logs.
    pub fn leave(&self, status: u16) {
        self.statuses[place(status)].add(1);
    }

    /// Content of a response has left.
    pub fn sent(&self, bytes: u64) {
        self.bytes.add(bytes);
    }

    /// The response has ended, `after` the request's head came, with so much content.
    pub fn finish(&self, status: u16, after: Measured, bytes: u64) {
        self.duration.record_time(after);
        self.class(status).size.record(bytes);
    }

    /// It is not in flight any more: its response has ended, it has become a tunnel, or its client
    /// has left.
    pub fn end(&self) {
        self.in_flight.subtract(1);
    }

    fn class(&self, status: u16) -> &ClassTraffic {
        self.classes[class(status)].get_or_init(Box::default)
    }
}
