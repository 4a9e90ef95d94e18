//! Listens and serves: sockets, workers, the three protocols and the one door they share.
//! Sees a [`crate::site::Snapshot`], never a directive.

mod compression;
mod connection;
mod context;
mod dispatch;
mod drain;
mod engine;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod h3;
mod process;
mod quic;
mod tcp;
mod tunnel;
mod worker;

pub use engine::Engine;
pub use process::estate::Estate;
pub use process::family::Family;
pub use process::inherited::{idle, inherit, lent};
pub use process::listeners::{BindError, Sockets, adopt, bind};
pub use worker::{Drain, Pulse, Workers, spawn};
