//! The state of the process at one time, as `-status`, the metrics and the status page show it:
//! data, and the handle by which handlers read it. Collected by `run`, which alone sees all of its
//! sources.

mod configuration;
mod failures;
mod fleet;
mod history;
mod json;
mod process;
mod state;
mod upstreams;
mod usage;
pub mod words;

pub use configuration::{Attempt, Change, Changes, Configuration, Outcomes};
pub use failures::Failure;
pub use fleet::{Fleet, Machine, Packets};
pub use history::{History, Minute, Second};
pub use json::of as json;
pub use process::{Process, ReportSource};
pub use state::{Report, Series};
pub use upstreams::{UpstreamReport, UpstreamService, UpstreamState};
pub use usage::Usage;
