//! What to write instead, where it takes all directives to know.

use crate::caddyfile::{ConfigError, Directive, Kind, Role, Token, slip, unknown_option};
use crate::directives::{DIRECTIVES, Directive as Row};

/// The same error, with a better hint if there is one.
pub(super) fn advised(error: ConfigError, within: Option<&Directive>) -> ConfigError {
    let error = match error.role {
        Role::Directive => match owners(&error.word) {
            Some(owners) => {
                // A word may be both: an option elsewhere, and near to a directive.
                let near = error.hint.iter().filter(|hint| hint.starts_with("did you mean"));
                let near: String = near.map(|hint| format!("{hint} Or: ")).collect();
                let hint = format!("{near}`{}` is an option in the block of {owners}", error.word);
                error.hint(hint)
            }
            None => error,
        },
        Role::Option => option(error, within),
        Role::Argument => argument(at_star(error, within)),
        Role::Caddy2 | Role::Nginx | Role::Apache | Role::Haproxy => error,
    };
    match within.and_then(|directive| unset(&error, directive)) {
        Some(name) => {
            let hint = error.hint.iter().map(|hint| format!("; {hint}")).collect::<String>();
            error.hint(format!("the environment variable {name} is not set{hint}"))
        }
        None => error,
    }
}

/// An option that the directive does not have.
fn option(error: ConfigError, within: Option<&Directive>) -> ConfigError {
    let word = error.word.clone();
    if DIRECTIVES.iter().any(|row| row.name == &*word)
        && let Some(directive) = within
    {
        let name = &directive.name;
        return error.hint(format!(
            "`{word}` is a directive: write it behind the `}}` that ends the block of `{name}`"
        ));
    }
    if let Some(owners) = owners(&word) {
        let own = error.hint.iter().filter(|hint| hint.starts_with("write one of"));
        let own: String = own.map(|hint| format!("; {hint}")).collect();
        return error.hint(format!("`{word}` is an option in the block of {owners}{own}"));
    }
    match unknown_option(&word) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// An argument too many, where `*` is the one.
fn at_star(error: ConfigError, within: Option<&Directive>) -> ConfigError {
    let is_count = error.message.starts_with("Wrong argument count");
    let tokens = within.filter(|_| is_count).map_or(&[][..], |directive| &directive.tokens);
    let star = |t: &&Token| t.text == "*" && t.file == error.file && t.line == error.line;
    match tokens.iter().find(star) {
        Some(star) => ConfigError::at(star, error.kind, error.message),
        None => error,
    }
}

/// An argument that is wrong.
fn argument(error: ConfigError) -> ConfigError {
    let word = &*error.word;
    if word == "*" {
        let hint = "write: / in place of `*`, Caddy 2's word for all requests, or nothing for \
                    `root`; a path such as /api is for those that begin with it";
        return error.hint(hint).role(Role::Caddy2);
    }
    if word.starts_with('@') && error.hint.is_some() && !word.contains('.') {
        let hint = "there are no named matchers, which Caddy 2 has: write a path";
        return error.hint(hint).role(Role::Caddy2);
    }
    if let Some(name) = word.strip_prefix('?').filter(|_| error.message.contains("field name")) {
        let hint = format!("a field that a response has already is kept: write {name}");
        return error.hint(hint).role(Role::Caddy2);
    }
    if word.ends_with(['\'', '\u{2019}', '\u{201d}', '`']) {
        let hint = "write text that has spaces in straight double quotes: \"";
        return error.hint(hint);
    }
    let is_slip = word.len() > 1 && word.ends_with(';') || word.starts_with("//");
    match slip(word).filter(|_| is_slip) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The directives that have the option: "`proxy` or `fastcgi`".
fn owners(option: &str) -> Option<String> {
    let has = |row: &&Row| row.options.is_some_and(|options| options.has(option));
    let names: Vec<_> =
        DIRECTIVES.iter().filter(has).map(|row| format!("`{}`", row.name)).collect();
    (!names.is_empty()).then(|| names.join(" or "))
}

/// A variable that the environment does not have, on the line of the error.
fn unset<'a>(error: &ConfigError, directive: &'a Directive) -> Option<&'a str> {
    let on_line = directive.tokens.iter().filter(|t| t.file == error.file && t.line == error.line);
    on_line.filter_map(|token| token.unset()).next()
}

/// Warns of lines that end as those of nginx do: the `;` belongs to the last word. In values of
/// header fields it may be meant.
pub(super) fn semicolons(directive: &Directive, warn: &mut dyn FnMut(ConfigError)) {
    let tokens = &directive.tokens;
    let mut is_field = false;
    for (at, token) in tokens.iter().enumerate() {
        let begins = at.checked_sub(1).is_none_or(|before| !tokens[before].shares_line(token));
        is_field = if begins { token.text.starts_with("header") } else { is_field };
        let is_last = tokens.get(at + 1).is_none_or(|next| !token.shares_line(next));
        let word = token.text.strip_suffix(';').filter(|word| !word.is_empty());
        let Some(word) = word.filter(|_| is_last && !is_field && token.is_bare()) else { continue };
        if directive.name != "header" {
            let message = format!("the ';' belongs to '{}'", token.text);
            let hint = format!("a line ends without `;`: write {word}");
            warn(ConfigError::at(token, Kind::Parse, message).hint(hint));
        }
    }
}
