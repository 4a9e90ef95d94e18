//! Listens and serves: sockets, workers, three protocols, and the dispatcher that they share. Knows
//! a [`crate::site::Snapshot`] but no directive.

mod bad_head;
mod cancelled;
mod compression;
mod connection;
mod context;
mod dispatch;
mod drain;
mod engine;
mod field_section;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod h3;
mod handshake_failure;
mod measure;
mod process;
mod quic;
mod schedule;
mod tcp;
mod tunnel;
mod worker;

pub use engine::Engine;
pub use process::handover::HandoverSockets;
pub use process::inherited::{idle, inherit, lent};
pub use process::listeners::{Sockets, adopt, bind};
pub use process::service_keys::{Passed, ServiceKeys};
pub use quic::packets::relay::{Client as FleetClient, Counted, Known, Machines};
pub use quic::qlog::{Qlog, TraceFiles};
pub use worker::{Drain, Pulse, Workers, spawn};
