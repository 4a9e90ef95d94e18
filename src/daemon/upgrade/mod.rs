//! A new binary takes the place of the running one. The two talk over a pair of sockets, which the
//! new process finds as its standard input: it gets a [`Parcel`] of text and open files, says
//! whether it is ready, and waits for the word to go. What is in the parcel is not known here.
//!
//! Nothing else is inherited: files travel over the pair (SCM_RIGHTS, unix(7)) and not through
//! `exec`, where any other child started at that moment would get them too.

mod parcel;
mod predecessor;
mod program;
mod successor;
mod words;

pub use parcel::Parcel;
pub use predecessor::{Predecessor, predecessor};
pub use program::Program;
pub use successor::{Serving, Successor};

/// What the environment says of an upgrade, to this process alone.
pub const VARIABLES: &[&str] = &[words::MARK];

#[cfg(test)]
mod tests;
