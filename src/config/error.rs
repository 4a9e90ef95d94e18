//! The error of loading a configuration.

use std::fmt;

use crate::caddyfile::{ConfigError, Role};

/// How many errors of a Caddyfile are shown.
const SHOWN: usize = 20;

/// Why a configuration was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Caddyfile(#[from] ConfigErrors),
    /// Something that shows only when sites are put together: a certificate, an address.
    #[error("{0}")]
    Site(String),
    /// An address cannot be had now. That may pass: another program has it, or it is not there yet.
    #[error("{0}")]
    Address(String),
}

impl LoadError {
    /// Whether the same configuration may be good later.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Address(_))
    }

    /// One line for each error, for a log.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Caddyfile(errors) => errors.lines(),
            Self::Site(text) | Self::Address(text) => vec![text.replace('\n', "; ")],
        }
    }

    /// What is wrong, without the remedy: for where there is room for a short line.
    pub fn brief(&self) -> String {
        match self {
            Self::Caddyfile(errors) => errors.brief(),
            Self::Site(text) | Self::Address(text) => {
                text.lines().next().unwrap_or_default().to_owned()
            }
        }
    }
}

/// The errors of a Caddyfile, in the order of their places; at least one.
#[derive(Debug, Default)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Adds errors, each once: a block is read once for each of its addresses, and a snippet
    /// wherever it is imported.
    pub(super) fn extend(&mut self, errors: impl IntoIterator<Item = ConfigError>) {
        for error in errors {
            let is_known =
                |one: &ConfigError| one.shares_place(&error) && one.message == error.message;
            if !self.0.iter().any(is_known) {
                self.0.push(error);
            }
        }
    }

    /// Nothing, if there is none; else they, sorted by file, the Caddyfile first.
    pub(super) fn check(&mut self, main: &str) -> Result<(), Self> {
        let mut errors = std::mem::take(&mut self.0);
        if errors.is_empty() {
            return Ok(());
        }
        let mut files = vec![main.to_owned()];
        for error in &errors {
            if !files.iter().any(|file| **file == *error.file) {
                files.push(error.file.to_string());
            }
        }
        errors.sort_by_key(|error| {
            (files.iter().position(|file| **file == *error.file), error.line, error.column)
        });
        Err(Self(errors))
    }

    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }

    fn lines(&self) -> Vec<String> {
        let shown = self.0.iter().take(SHOWN).map(ConfigError::line);
        self.foreign().into_iter().chain(shown).chain(self.left_out()).collect()
    }

    /// What is to be said first of a file that was written for another server.
    fn foreign(&self) -> Option<String> {
        let name = |one: &ConfigError| match one.role {
            Role::Caddy2 => Some("a Caddyfile of Caddy 2"),
            Role::Nginx => Some("a configuration of nginx"),
            Role::Apache => Some("a configuration of Apache"),
            Role::Haproxy => Some("a configuration of HAProxy"),
            Role::Directive | Role::Option | Role::Argument => None,
        };
        // Words such as `server` belong to several: the one that most words are of.
        let names: Vec<_> = self.0.iter().filter_map(name).collect();
        let count = |what: &&str| names.iter().filter(|name| *name == what).count();
        let what = names.iter().copied().rev().max_by_key(count)?;
        let sign = self.0.iter().find(|one| name(one) == Some(what))?;
        Some(format!(
            "{}: this is {what}; this server reads the Caddyfile of Caddy 1, and each error says \
             what to write",
            sign.file
        ))
    }

    fn brief(&self) -> String {
        let first = self.0.first().map(ConfigError::brief).unwrap_or_default();
        match self.0.len().saturating_sub(1) {
            0 => first,
            more => format!("{first} (and {more} more)"),
        }
    }

    /// What is to be said of the errors that are not shown.
    fn left_out(&self) -> Option<String> {
        let more = self.0.len().checked_sub(SHOWN).filter(|more| *more > 0)?;
        Some(format!("and {more} more errors"))
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().take(SHOWN).map(ToString::to_string);
        let mut lines = self.foreign().into_iter().chain(shown).chain(self.left_out());
        f.write_str(&lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| write!(f, "\n\n{line}"))
    }
}

impl std::error::Error for ConfigErrors {}
