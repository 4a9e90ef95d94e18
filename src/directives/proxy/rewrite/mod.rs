//! What is changed of heads on their way to an upstream and back.

pub(crate) mod header_rules;
pub(crate) mod location;
pub(crate) mod names;
pub(crate) mod overlay;
