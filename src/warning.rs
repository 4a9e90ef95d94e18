//! What is no error in a Caddyfile, but deserves a word. It always has its place: there is no
//! other way to make one.

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
