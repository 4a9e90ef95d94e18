//! Which paths have a program, and how it is run.

use std::path::PathBuf;
use std::time::Duration;

use glob::{MatchOptions, Pattern};

use crate::http::Request;
use crate::http::placeholders::Template;

/// One line or block.
pub(super) struct Rule {
    pub(super) matches: Vec<Pattern>,
    pub(super) except: Vec<Pattern>,
    pub(super) program: Text,
    pub(super) arguments: Vec<Text>,
    /// The directory that the program runs in.
    pub(super) dir: PathBuf,
    pub(super) root: PathBuf,
    pub(super) env: Vec<Variable>,
    /// Variables of this process that the program gets.
    pub(super) pass: Vec<String>,
    pub(super) limit: Duration,
}

pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: Text,
}

/// A text with placeholders, `{match}` among them: what stands between the `{match}`.
pub(super) struct Text(pub(super) Vec<Template>);

impl Text {
    pub(super) fn expand(&self, req: &Request, matched: &str) -> String {
        let parts: Vec<_> = self.0.iter().map(|part| part.expand(req, None, "")).collect();
        parts.join(matched)
    }
}

/// As Go's `path.Match`: `*` stops at a slash.
const LIKE_GO: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

impl Rule {
    /// The part of a path that matches: the path, or a folder above it.
    pub(super) fn matched<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.except.iter().any(|pattern| part(pattern, path).is_some()) {
            return None;
        }
        self.matches.iter().find_map(|pattern| part(pattern, path))
    }
}

pub(super) fn part<'p>(pattern: &Pattern, path: &'p str) -> Option<&'p str> {
    let mut rest = path;
    loop {
        if pattern.matches_with(rest, LIKE_GO) {
            return Some(rest);
        }
        let end = rest.rfind('/').filter(|_| rest.len() > 1)?;
        rest = if end == 0 { "/" } else { &rest[..end] };
    }
}
