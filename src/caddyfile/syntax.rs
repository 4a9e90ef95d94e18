//! How the options of a block are written, apart from what they set.

/// How the options of a block are written.
pub trait Syntax: Sync {
    /// How each option is written, without examples.
    fn usages(&self) -> Vec<&'static str>;

    /// Whether an option has this name.
    fn has(&self, word: &str) -> bool;

    /// Whether an entry that begins with this word may hold placeholders.
    fn takes_placeholders(&self, word: &str) -> bool;
}
