//! The interface to the operating system: what a service needs besides HTTP. Independent of the
//! Caddyfile.

pub mod activation;
pub mod command;
pub mod console;
pub mod control;
pub mod detach;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod limits;
pub mod logfile;
pub mod notify;
pub mod owned;
pub mod pidfile;
pub mod privileges;
pub mod processlog;
mod queue;
pub mod record;
mod rolled;
pub mod signals;
pub mod syslog;
pub mod traces;
pub mod upgrade;

pub use queue::lines_lost;
