//! Upgrade in place: a new process replaces the running one. The two communicate over a socket
//! pair, which is the standard input of the new process. It receives a [`Message`] of text and open
//! files, reports whether it is ready, and waits for the order to serve. The content of the message
//! is opaque here.
//!
//! The files are sent over the pair (SCM_RIGHTS, unix(7)) and not inherited through `exec`, where
//! another child started at the same time would inherit them too.

mod message;
mod predecessor;
mod program;
mod protocol;
mod successor;

pub use message::Message;
pub use predecessor::{Predecessor, predecessor};
pub use program::Program;
pub use successor::{Serving, Successor};

/// What the environment says of an upgrade, to this process alone.
pub const VARIABLES: &[&str] = &[protocol::MARK];

#[cfg(test)]
mod tests;
