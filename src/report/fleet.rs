//! The machines that this one is a service with (`-fleet`).

use std::net::SocketAddr;
use std::time::Duration;

use chrono::{DateTime, Local};

/// What this machine knows of its fleet.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// This machine's number; `None` before the engine has given one.
    pub number: Option<u16>,
    /// Where the engine is.
    pub engine: String,
    pub is_connected: bool,
    /// Since when it is connected, or away.
    pub since: DateTime<Local>,
    /// How long its last answer took; `None` while it is away.
    pub lag: Option<Duration>,
    /// Where this machine takes packets from the others.
    pub way: Option<SocketAddr>,
    /// All that are there, this one included, by number.
    pub machines: Vec<Machine>,
    /// QUIC packets of connections of another machine, by what was done with them.
    pub packets: Vec<Packets>,
}

/// Packets between machines since the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packets {
    pub what: &'static str,
    pub count: u64,
}

/// A machine of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub number: u16,
    pub host: String,
    pub version: String,
    /// The Unix second in which it came, by the engine's clock.
    pub since: i64,
    /// The time since its last sign of life, by the same clock.
    pub silent: Duration,
    /// How long the engine took for its last answer to that machine.
    pub lag: Duration,
}
