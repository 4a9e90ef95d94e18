//! Byte streams to the servers behind this one: what the directives that speak to such servers
//! share. Knows no protocol and no Caddyfile.

mod dial;
mod idle;
mod io;
mod patience;

pub use dial::dial;
pub use idle::{Idle, Pool};
pub use io::Io;
pub use patience::Patience;
