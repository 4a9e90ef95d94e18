//! A site: the chain that is built from its block; and a snapshot of all sites.

mod builder;
mod report;
mod scripts;
mod settings;
mod snapshot;
mod table;
mod task;

pub use builder::{INDEX, Site, SiteBuilder};
pub use report::{UpstreamReport, UpstreamState};
pub use scripts::Scripts;
pub use settings::{ListenerSettings, ProxyProtocol};
pub use snapshot::{Listener, Snapshot};
pub use table::SiteTable;
pub use task::{Event, Hook, Task, Work};
