//! Load balancing: the choice of an upstream, the queue, and retries.

pub(crate) mod ahead;
pub(crate) mod budget;
pub(crate) mod discover;
pub(crate) mod policy;
pub(crate) mod queue;
pub(crate) mod rendezvous;
pub(crate) mod retry;
pub(crate) mod select;
pub(crate) mod sticky;
