//! What goes into a translation and what comes out of it.

use std::fmt;
use std::rc::Rc;

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

/// Characters of the longest line that a message shows: a file may be one line.
const LONGEST_SHOWN: usize = 400;

/// A file of the original: its name, and its lines to show in messages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) name: Box<str>,
    lines: Vec<Box<str>>,
}

impl Source {
    pub(super) fn new(name: &str, text: &str) -> Rc<Self> {
        Rc::new(Self { name: name.into(), lines: text.lines().map(Box::from).collect() })
    }

    /// The line of this number, if a message can show it.
    pub(super) fn line(&self, number: u32) -> Option<&str> {
        let line = self.lines.get((number as usize).checked_sub(1)?)?;
        let fits = line.len() <= LONGEST_SHOWN && !line.contains(|c| c < ' ' && c != '\t');
        fits.then_some(line)
    }
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

    /// The same with the lines that show the place.
    pub fn shown(&self) -> String {
        self.0.shown()
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unreadable {}
