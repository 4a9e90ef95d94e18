//! A word of a Caddyfile with its place.

use std::sync::Arc;

/// One word and where it stands.
#[derive(Debug, Clone)]
pub struct Token {
    pub text: String,
    pub file: Arc<str>,
    /// Line and column (in characters) of the token's start, both from 1.
    pub line: u32,
    pub column: u32,
    /// The whole text it was read from, for messages.
    pub(super) source: Arc<str>,
    /// The line its last character is on; a quoted token may span several.
    pub(super) end_line: u32,
    /// Which splice of an import brought it in, so that two uses of one snippet never look as
    /// if they shared a line. Zero is the main file.
    pub(super) origin: usize,
    /// Whether it stands in quotes.
    pub(super) is_quoted: bool,
    /// A variable in it that the environment does not have.
    pub(super) unset: Option<Arc<str>>,
}

impl Token {
    /// A variable in it that the environment does not have.
    pub fn unset(&self) -> Option<&str> {
        self.unset.as_deref()
    }

    pub(super) fn source_line(&self) -> Option<String> {
        self.source.lines().nth(self.line.checked_sub(1)? as usize).map(str::to_owned)
    }

    /// Whether it stands without quotes.
    pub fn is_bare(&self) -> bool {
        !self.is_quoted
    }

    /// Whether `next`, the token behind this one, stands on the same line.
    pub fn shares_line(&self, next: &Self) -> bool {
        self.origin == next.origin && self.file == next.file && self.end_line == next.line
    }
}
