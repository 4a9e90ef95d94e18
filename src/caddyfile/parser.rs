//! Tokens to blocks (stub).
use std::path::Path;

use super::{ConfigError, Token};

/// One site address as written, after environment substitution.
#[derive(Debug, Clone)]
pub struct Key {
    pub text: String,
    pub token: Token,
}

/// All tokens of one directive in one block: its name, arguments, braces and body. Where the
/// word is written several times, its runs follow one another.
#[derive(Debug, Clone)]
pub struct Directive {
    pub name: String,
    pub tokens: Vec<Token>,
}

/// Addresses and what is said of them.
#[derive(Debug, Clone)]
pub struct ServerBlock {
    pub keys: Vec<Key>,
    /// In order of first appearance.
    pub directives: Vec<Directive>,
}

/// A Caddyfile.
#[derive(Debug)]
pub struct Parsed {
    pub blocks: Vec<ServerBlock>,
    pub warnings: Vec<String>,
}

/// Parses `text`, whose name in messages is `name` and whose relative imports resolve against
/// `dir`. `known` are the directive names, for "Unknown directive" and its nearest match.
pub fn parse(name: &str, text: &str, dir: &Path, known: &[&str]) -> Result<Parsed, ConfigError> {
    let _ = (name, text, dir, known);
    Ok(Parsed { blocks: vec![], warnings: vec![] })
}
