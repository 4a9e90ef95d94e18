//! What to write instead of a word that is unknown where it stands.

use super::nearest::nearest;
use super::reserved::reserved;
use super::{ConfigError, Kind, Role, Token, apache, caddy2, haproxy, nginx};

/// How to see all directives.
const LIST: &str = "`caddy -plugins` lists the directives";

/// The error of a directive's name that is none of the `known` ones.
pub(super) fn unknown(name: &Token, known: &[&str]) -> Option<ConfigError> {
    let word = &*name.text;
    if known.contains(&word) {
        return None;
    }
    let error = |message: String| ConfigError::at(name, Kind::Parse, message);
    if let Some(row) = reserved(word) {
        let message = format!(
            "no action found for directive '{word}' with server type 'http' (missing a plugin?)"
        );
        return Some(error(message).hint(row.hint()));
    }
    let error = error(format!("Unknown directive '{word}'"));
    // Some words are of both: only nginx ends a line so.
    let is_nginx = name.source_line().is_some_and(|line| line.trim_end().ends_with(';'));
    if let Some(here) = nginx::directive(word).filter(|_| is_nginx) {
        return Some(error.hint(here).role(Role::Nginx));
    }
    if let Some(here) = caddy2::directive(word) {
        return Some(error.hint(here).role(Role::Caddy2));
    }
    if let Some(here) = nginx::directive(word.trim_end_matches(';')) {
        return Some(error.hint(here).role(Role::Nginx));
    }
    if let Some(here) = apache::directive(word) {
        return Some(error.hint(here).role(Role::Apache));
    }
    if let Some(here) = haproxy::directive(word) {
        return Some(error.hint(here).role(Role::Haproxy));
    }
    if let Some(hint) = slip(word) {
        return Some(error.hint(hint));
    }
    if is_address(word) {
        let hint = format!("each of several sites has its directives in braces: {word} {{");
        return Some(error.hint(hint));
    }
    let error = error.role(Role::Directive);
    Some(match nearest(word, known) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None if &*name.file == "args" => {
            error.hint(format!("`caddy help` has the commands; {LIST}"))
        }
        None => error.hint(LIST),
    })
}

/// The hint for an option that is unknown, if it is known elsewhere or a slip.
pub fn unknown_option(word: &str) -> Option<String> {
    caddy2::option(word).map(str::to_owned).or_else(|| slip(word))
}

/// What to write here for a directive of nginx.
pub fn counterpart_of_nginx(word: &str) -> Option<&'static str> {
    nginx::directive(word)
}

/// What to write here for a directive of Apache.
pub fn counterpart_of_apache(word: &str) -> Option<&'static str> {
    apache::directive(word)
}

/// What to write here for a keyword of HAProxy.
pub fn counterpart_of_haproxy(word: &str) -> Option<&'static str> {
    haproxy::directive(word)
}

/// What to write here for a directive or an option of Caddy 2.
pub fn counterpart_of_caddy2(word: &str) -> Option<&'static str> {
    caddy2::directive(word).or_else(|| caddy2::option(word))
}

/// The hint for a word that is written as in another language.
pub fn slip(word: &str) -> Option<String> {
    let hint = match word {
        "}" | "{" => return None,
        _ if word.starts_with("//") || is_comment(word) => COMMENT.to_owned(),
        _ if word.starts_with('<') => {
            "this is not HTML or a configuration of Apache: write DIRECTIVE ARGUMENT...".to_owned()
        }
        _ if word.starts_with(['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}']) => {
            "write straight double quotes: \"".to_owned()
        }
        _ if word.starts_with(['\'', '`']) => "write double quotes: \"".to_owned(),
        _ if word.starts_with('}') => "write `}` on a line of its own".to_owned(),
        _ => {
            if let Some((name, value)) = word.split_once('=').filter(|(name, _)| is_name(name)) {
                return Some(format!("write `{name} {value}` with a space"));
            }
            let bare = word.trim_end_matches([';', ':', ',', '}']);
            let end = &word[bare.len()..];
            match (bare, end) {
                ("", _) | (_, "") => return None,
                (bare, ";") => format!("a line ends without `;`: write {bare}"),
                (bare, ":" | ",") => format!("write {bare} without `{end}`"),
                (bare, "}") if !bare.contains('{') => {
                    format!("write {bare}, and `}}` on a line of its own")
                }
                _ => return None,
            }
        }
    };
    Some(hint)
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Whether a word begins a comment elsewhere and can be nothing here.
pub(super) fn is_comment(word: &str) -> bool {
    matches!(word, "//" | "///" | "--" | ";") || word.starts_with("/*")
}

/// The hint for a comment of another language.
pub(super) const COMMENT: &str = "a comment begins with `#`";

/// The error of an address inside a block that nothing has closed.
pub(super) fn unclosed(address: &Token, open: &Token) -> ConfigError {
    let message = format!("Unknown directive '{}'", address.text);
    ConfigError::at(address, Kind::Parse, message).hint(format!(
        "if this is a new site's address, the block opened at {}:{} lacks its `}}`",
        open.file, open.line
    ))
}

/// Whether a word looks like a site's address.
pub(super) fn is_address(word: &str) -> bool {
    let is_slip = slip(word).is_some() || word.starts_with('@');
    !is_slip && (word == "localhost" || word.contains(['.', ':']))
}
