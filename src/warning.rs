//! A warning about a Caddyfile. It always carries a position, as its only constructor takes one.

use std::fmt;

/// One line for the log: `FILE:LINE:COLUMN - MESSAGE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    line: String,
    /// The line of the file with the word marked, for a terminal.
    source: Option<String>,
}

impl Warning {
    pub fn at(file: &str, line: u32, column: u32, message: &str) -> Self {
        Self { line: format!("{file}:{line}:{column} - {message}"), source: None }
    }

    /// The same with the lines that show its place.
    pub fn showing(self, source: Option<String>) -> Self {
        Self { source, ..self }
    }

    /// The line for the log, and behind it those that show the place.
    pub fn shown(&self) -> String {
        match &self.source {
            Some(source) => format!("{}{source}", self.line),
            None => self.line.clone(),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}
