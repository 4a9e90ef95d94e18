//! Text to tokens.
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
}

impl Token {
    pub(super) fn source_line(&self) -> Option<String> {
        self.source.lines().nth(self.line.checked_sub(1)? as usize).map(str::to_owned)
    }
}
