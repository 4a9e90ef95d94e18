//! Why a template cannot be parsed or executed.

/// An error of a template, with its name and line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{template}:{line}: {message}")]
pub struct Error {
    pub template: String,
    pub line: u32,
    pub message: String,
}
