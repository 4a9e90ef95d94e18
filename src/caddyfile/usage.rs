//! How the options of a block are written, and whether one may be written twice.

/// What happens to an option that is written twice, or has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Each adds to those before it, or repeats them.
    Accumulates,
    /// The last one holds, with a warning: Caddy 1.0 did so, and files in use may repeat it.
    LastWins,
    /// An error: Caddy 1.0 did not have the option.
    Forbidden,
}

/// How an option is written, its name first.
pub type Usage = (&'static str, Repeat);

/// The option of this name.
pub(super) fn find(options: &[Usage], name: &str) -> Option<Usage> {
    options.iter().find(|(usage, _)| self::name(usage) == name).copied()
}

pub(super) fn name(usage: &'static str) -> &'static str {
    usage.split(' ').next().unwrap_or(usage)
}
