//! What to write instead of a word that is no directive.

use super::nearest::nearest;
use super::reserved::reserved;
use super::{ConfigError, Kind, Role, Token};

/// The error of a directive's name that is none of the `known` ones.
pub(super) fn unknown(name: &Token, known: &[&str]) -> Option<ConfigError> {
    let word = &*name.text;
    if known.contains(&word) {
        return None;
    }
    let error = |message: String| ConfigError::at(name, Kind::Parse, message).role(Role::Directive);
    if let Some(row) = reserved(word) {
        let message = format!(
            "no action found for directive '{word}' with server type 'http' (missing a plugin?)"
        );
        return Some(error(message).hint(row.hint()));
    }
    let error = error(format!("Unknown directive '{word}'"));
    Some(match nearest(word, known) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(LIST),
    })
}

/// How to see all directives.
const LIST: &str = "`caddy -plugins` lists the directives";

/// The error of an address inside a block that nothing has closed.
pub(super) fn unclosed(address: &Token, open: &Token) -> ConfigError {
    let message = format!("Unknown directive '{}'", address.text);
    ConfigError::at(address, Kind::Parse, message).role(Role::Directive).hint(format!(
        "if this is a new site's address, the block opened at {}:{} lacks its `}}`",
        open.file, open.line
    ))
}

/// Whether a word looks like a site's address.
pub(super) fn is_address(word: &str) -> bool {
    word == "localhost" || word.contains(['.', ':'])
}
