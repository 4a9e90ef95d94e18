//! The error of loading a configuration.

use crate::caddyfile::ConfigError;

/// Why a configuration was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Caddyfile(#[from] ConfigError),
    /// Something that shows only when sites are put together: a certificate, an address.
    #[error("{0}")]
    Site(String),
}

impl LoadError {
    /// On one line, for a log.
    pub fn line(&self) -> String {
        match self {
            Self::Caddyfile(error) => error.line(),
            Self::Site(text) => text.replace('\n', "; "),
        }
    }

    /// What is wrong, without the remedy: for where there is room for a short line.
    pub fn brief(&self) -> String {
        match self {
            Self::Caddyfile(error) => error.brief(),
            Self::Site(text) => text.lines().next().unwrap_or_default().to_owned(),
        }
    }
}
