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
    /// An address cannot be had now. That may pass: another program has it, or it is not there yet.
    #[error("{0}")]
    Address(String),
}

impl LoadError {
    /// Whether the same configuration may be good later.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Address(_))
    }

    /// On one line, for a log.
    pub fn line(&self) -> String {
        match self {
            Self::Caddyfile(error) => error.line(),
            Self::Site(text) | Self::Address(text) => text.replace('\n', "; "),
        }
    }

    /// What is wrong, without the remedy: for where there is room for a short line.
    pub fn brief(&self) -> String {
        match self {
            Self::Caddyfile(error) => error.brief(),
            Self::Site(text) | Self::Address(text) => {
                text.lines().next().unwrap_or_default().to_owned()
            }
        }
    }
}
