//! What a format consists of.

use crate::http::placeholders::Template;

/// A format that cannot be used.
#[derive(Debug)]
pub(in crate::directives::log) struct Unusable {
    pub(in crate::directives::log) message: String,
    pub(in crate::directives::log) hint: &'static str,
}

#[derive(Debug, Clone)]
pub(super) enum Segment {
    Text(String),
    /// A placeholder whose value is known when the chain returns.
    Value(Template, Written),
    /// The client's address, which `ipmask` may shorten.
    Remote,
    Late(Late),
    Member(Member),
}

impl Segment {
    pub(super) fn value(placeholder: &str, written: Written) -> Self {
        Self::Value(Template::parse(placeholder), written)
    }
}

/// How a value stands in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// In plain text.
    Line,
    /// Within a JSON string.
    Inside,
    /// As in plain text, within a JSON string.
    LineInside,
    /// As a JSON string, or null.
    Quoted,
    /// As a JSON number, or null.
    Number,
}

/// A member of a JSON object that is left out if it has no value.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) start: String,
    pub(super) value: Template,
    /// Removed from the beginning of the value.
    pub(super) prefix: &'static str,
    pub(super) end: &'static str,
}

/// A value that is known only when the body has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    Size,
    Latency,
    LatencyMs,
    LatencyS,
}
