//! Changes of header fields in requests to upstreams and in their responses.

pub(crate) mod header_rules;
pub(crate) mod names;
pub(crate) mod overlay;
