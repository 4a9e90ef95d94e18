//! Upstream servers: DNS names, connections, idle pools, and state that survives a reload. Shared
//! by the directives that connect to servers; independent of protocols and the Caddyfile.

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
pub use resolver::{Resolver, Server};
pub use schedule::Schedule;
pub use shared::Shared;
