//! How the options of a block are written, and whether one may be written twice.

/// What becomes of an option that is there twice, or changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Each adds to those before it, or says the same again.
    Adds,
    /// Caddy 1.0 knew it and took the last one: files in use may have it twice. A warning.
    Old,
    /// No file in use has it. An error.
    New,
}

/// How an option is written, its name first.
pub type Usage = (&'static str, Nature);

/// The option of this name.
pub(super) fn find(options: &[Usage], name: &str) -> Option<Usage> {
    options.iter().find(|(usage, _)| self::name(usage) == name).copied()
}

pub(super) fn name(usage: &'static str) -> &'static str {
    usage.split(' ').next().unwrap_or(usage)
}
