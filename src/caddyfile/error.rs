//! The error of a Caddyfile: what is wrong, where, and what to write instead.

use std::fmt;
use std::sync::Arc;

use super::Token;
use crate::warning::Warning;

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

/// One error. `Display` prints `FILE:LINE - Parse error: MSG`, then column, source line and
/// marker, then the hint.
#[derive(Debug)]
pub struct ConfigError {
    pub kind: Kind,
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
    /// The source line the error is on, without its line feed.
    pub source_line: Option<String>,
    pub message: String,
    pub hint: Option<String>,
}

impl ConfigError {
    /// An error at a token.
    pub fn at(token: &Token, kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            file: token.file.clone(),
            line: token.line,
            column: token.column,
            source_line: token.source_line(),
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what to write instead.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same on one line, without the source, for a log.
    pub fn line(&self) -> String {
        let hint = self.hint.iter().map(|hint| format!("; {hint}")).collect::<String>();
        format!("{}{hint}", self.brief())
    }

    /// Where it is and what, without what to write instead.
    pub fn brief(&self) -> String {
        let stage = self.kind.stage();
        format!("{}:{}:{} - {stage}{}", self.file, self.line, self.column, self.message)
    }

    /// The same as a warning, on one line, as it goes to the log.
    pub fn warning(&self) -> Warning {
        let hint = self.hint.iter().map(|hint| format!("; {hint}")).collect::<String>();
        let message = format!("{}{hint}", self.message);
        Warning::at(&self.file, self.line, self.column, &message)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = self.kind.stage();
        write!(f, "{}:{} - {stage}{}", self.file, self.line, self.message)?;
        if let Some(source) = &self.source_line {
            let margin = self.line.to_string();
            let tabs_kept: String = source
                .chars()
                .take(self.column.saturating_sub(1) as usize)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            write!(f, "\n  {margin} | {source}")?;
            write!(f, "\n  {:1$} | {tabs_kept}^ column {2}", "", margin.len(), self.column)?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
