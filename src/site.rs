//! A site: the chain that is built from its block; and a snapshot of all sites.

mod admin;
mod builder;
pub mod local_hosts;
mod scripts;
mod settings;
mod snapshot;
mod table;
mod task;

pub use admin::AdminSite;
pub use builder::{Executed, INDEX, Rest, Site, SiteBuilder, is_loopback};
pub use scripts::Scripts;
pub use settings::{ListenerSettings, ProxyProtocol};
pub use snapshot::{Listener, Snapshot};
pub use table::SiteTable;
pub use task::{Event, Hook, Task, Work};
