//! Resources of the process that outlive a configuration: listening sockets, those that were
//! inherited, and those that are passed to the next process.

pub(crate) mod handover;
pub(crate) mod inherited;
pub(crate) mod listeners;
pub(crate) mod service_keys;
