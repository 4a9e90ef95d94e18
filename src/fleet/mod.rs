//! What several machines do as one: who may do a piece of work (`lease`), which keys are in use
//! (`keys`), which of two copies holds (`copies`), and who is there (`members`). State machines
//! without clock or socket: the caller passes the time in and asks the engine, the server that all
//! machines reach.
//!
//! No clock of one machine is compared with that of another: a machine measures how long it has
//! waited by its own steady clock, and everything else is in the engine's time.

pub mod common;
pub mod copies;
pub mod engine;
#[cfg(test)]
mod interleavings;
pub mod keys;
pub mod lease;
pub mod members;
#[cfg(test)]
mod model;
pub mod place;
pub mod seal;
pub mod store;

/// A time of the engine in microseconds, or a number that the engine has made from it: versions
/// and fencing numbers are never lower than the time at which they were made.
pub type Stamp = u64;
