//! What goes into a translation and what comes out of it.

use std::fmt;

use crate::warning::Warning;

/// A Caddyfile, and what could not be carried over into it.
#[derive(Debug)]
pub struct Converted {
    pub text: String,
    pub warnings: Vec<Warning>,
}

/// A file that another one includes.
#[derive(Debug)]
pub struct Included {
    /// As messages name it.
    pub name: String,
    pub text: String,
}

/// The files beside the one that is translated.
pub trait Files {
    /// The files that a path or a pattern names, for a file of this name.
    ///
    /// # Errors
    /// A path without a wildcard names no file that can be read.
    fn read(&self, pattern: &str, from: &str) -> Result<Vec<Included>, String>;

    /// A path, which is relative to the file that is translated, from the root.
    fn absolute(&self, path: &str) -> String;
}

/// Why a text cannot be read: `FILE:LINE:COLUMN - MESSAGE`.
#[derive(Debug)]
pub struct Unreadable(Warning);

impl Unreadable {
    pub(super) fn new(warning: Warning) -> Self {
        Self(warning)
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unreadable {}
