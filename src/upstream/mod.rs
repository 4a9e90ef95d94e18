//! Upstream servers: DNS names, connections, idle pools, and state that survives a reload. Shared
//! by the directives that connect to servers; independent of protocols and the Caddyfile. In its
//! folders is the HTTP client: `host`, what is known of one server; `rewrite`, header fields
//! as they change on the way; `exchange`, one try.

pub(crate) mod exchange;
pub(crate) mod host;
mod idle;
mod io;
mod names;
mod patience;
mod resolver;
pub(crate) mod rewrite;
mod schedule;
mod shared;
#[cfg(test)]
pub(crate) mod testing;

pub use idle::{Idle, Pool};
pub use io::Io;
pub use names::{Host, Name, Service, keep_resolved};
pub use patience::Patience;
pub use resolver::{Resolver, Server};
pub use schedule::Schedule;
pub use shared::Shared;
