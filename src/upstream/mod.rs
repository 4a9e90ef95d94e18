//! The servers behind this one: their names, byte streams to them, and what is known of them for
//! longer than one configuration. Directives that speak to such servers share it. Knows no
//! protocol and no Caddyfile.

mod idle;
mod io;
mod names;
mod patience;
mod resolver;
mod schedule;
mod shared;

pub use idle::{Idle, Pool};
pub use io::Io;
pub use names::{Host, Name, Service, keep_resolved};
pub use patience::Patience;
pub use resolver::Server;
pub use schedule::Schedule;
pub use shared::Shared;
