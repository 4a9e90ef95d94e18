//! The error of a Caddyfile: what is wrong, where, and what to write instead.

use std::fmt;
use std::sync::Arc;

use super::Token;
use crate::warning::{Warning, marked};

/// Which stage refused; it is part of the first line of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Parse,
    Syntax,
}

impl Kind {
    fn stage(self) -> &'static str {
        match self {
            Self::Parse => "Parse error: ",
            Self::Syntax => "Syntax error: ",
        }
    }
}

/// What the word that an error is at was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The name of a directive, and there is none of that name.
    Directive,
    /// The name of an option, and there is none of that name.
    Option,
    /// A word that only Caddy 2 has.
    Caddy2,
    /// A word that only nginx has.
    Nginx,
    /// A word that only Apache has.
    Apache,
    /// A word that only HAProxy has.
    Haproxy,
    /// Anything else.
    Argument,
}

/// One error. `Display` prints `FILE:LINE - Parse error: MSG`, then the place, the source line
/// with the word marked, and the hint.
#[derive(Debug, Clone)]
pub struct ConfigError {
    pub kind: Kind,
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
    /// The source line the error is on, without its line feed.
    pub source_line: Option<String>,
    pub message: String,
    pub hint: Option<String>,
    /// The word it is at.
    pub word: Box<str>,
    pub role: Role,
}

impl ConfigError {
    /// An error at a token.
    pub fn at(token: &Token, kind: Kind, message: impl Into<String>) -> Self {
        Self {
            file: token.file.clone(),
            line: token.line,
            column: token.column,
            source_line: token.source_line(),
            word: token.text.as_str().into(),
            ..Self::nowhere(kind, message)
        }
    }

    /// An error of a text that has no word to point at.
    pub(super) fn nowhere(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            file: "".into(),
            line: 1,
            column: 1,
            source_line: None,
            message: message.into(),
            hint: None,
            word: "".into(),
            role: Role::Argument,
        }
    }

    /// Adds what to write instead.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same of a word in this role.
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Whether both are at the same word.
    pub fn shares_place(&self, other: &Self) -> bool {
        (&self.file, self.line, self.column) == (&other.file, other.line, other.column)
    }

    /// The same on one line, without the source, for a log.
    pub fn line(&self) -> String {
        format!("{}{}", self.brief(), self.hint_behind())
    }

    /// Where it is and what, without what to write instead.
    pub fn brief(&self) -> String {
        let stage = self.kind.stage();
        format!("{}:{}:{} - {stage}{}", self.file, self.line, self.column, self.message)
    }

    /// The same as a warning, on one line, as it goes to the log.
    pub fn warning(&self) -> Warning {
        let message = format!("{}{}", self.message, self.hint_behind());
        Warning::at(&self.file, self.line, self.column, &message).showing(self.place())
    }

    /// The place, and its line with the word marked; each begins with a line feed.
    fn place(&self) -> Option<String> {
        let source = self.source_line.as_ref()?;
        Some(marked(&self.file, self.line, self.column, source))
    }

    fn hint_behind(&self) -> String {
        self.hint.iter().map(|hint| format!("; {hint}")).collect()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = self.kind.stage();
        write!(f, "{}:{} - {stage}{}", self.file, self.line, self.message)?;
        if let Some(place) = self.place() {
            f.write_str(&place)?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
