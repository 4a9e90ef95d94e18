//! An exchange over HTTP/2.

pub(crate) mod attempt;
pub(crate) mod connections;
mod content;
mod exchange;
mod gate;
#[cfg(test)]
mod gate_tests;
mod incoming;
mod outgoing;
mod upload;
mod windows;
