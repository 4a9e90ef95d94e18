//! A `proxy` line read into a rule.

pub(crate) mod effects;
pub(crate) mod options;
pub(crate) mod upstreams;
