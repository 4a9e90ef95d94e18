//! A warning about a Caddyfile. It always carries a position, as its only constructor takes one.

use std::fmt;

/// One line for the log: `FILE:LINE:COLUMN - MESSAGE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(String);

impl Warning {
    pub fn at(file: &str, line: u32, column: u32, message: &str) -> Self {
        Self(format!("{file}:{line}:{column} - {message}"))
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
