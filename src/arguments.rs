//! Arguments that many directives take: paths, read by one check.

use crate::caddyfile::{Args, ConfigError};
use crate::http::paths::Prefix;
use crate::warning::Warning;

/// Reads an argument that is a path: the one check for every word that takes one.
pub fn prefix(
    args: &Args<'_>,
    word: &str,
    warnings: &mut Vec<Warning>,
) -> Result<Prefix, ConfigError> {
    if is_address(word) {
        return Err(not_a_path(args, word));
    }
    let (prefix, remark) =
        Prefix::parse(word).map_err(|wrong| args.error_at(word, wrong.message).hint(wrong.hint))?;
    let warned = remark.map(|said| args.error_at(word, said.message).hint(said.hint).warning());
    warnings.extend(warned);
    Ok(prefix)
}

/// [`prefix`] for several.
pub fn prefixes(
    args: &Args<'_>,
    words: &[&str],
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Prefix>, ConfigError> {
    words.iter().map(|word| prefix(args, word, warnings)).collect()
}

/// The paths of an `except` that stand below the directive's own. As in v1 their last slash does
/// not count.
pub fn excepted(
    args: &Args<'_>,
    from: &Prefix,
    warnings: &mut Vec<Warning>,
    words: &[&str],
) -> Result<Vec<Prefix>, ConfigError> {
    let mut excepted = Vec::with_capacity(words.len());
    for word in words {
        let below = prefix(args, &format!("/{}", word.trim_matches('/')), warnings)?;
        let joined = format!("{}{below}", from.as_str().trim_end_matches('/'));
        let joined = Prefix::new(joined.trim_end_matches('/'));
        if joined.holds(from.as_str()) {
            let message = format!("except {word} leaves nothing of {from}");
            let hint = "name paths below it, or leave the directive out";
            warnings.push(args.error_at(word, message).hint(hint).warning());
        }
        excepted.push(joined);
    }
    Ok(excepted)
}

/// Where a path belongs stands something else: arguments in the wrong order, or one too few.
pub fn not_a_path(args: &Args<'_>, word: &str) -> ConfigError {
    args.error_at(word, format!("'{word}' is no path: a path begins with '/'"))
        .hint(format!("write the path before it: {} / {word}", args.directive()))
}

/// Whether a word is meant to be the address of a server.
fn is_address(word: &str) -> bool {
    let is_port = |(_, port): (&str, &str)| port.parse::<u16>().is_ok();
    !word.starts_with('/')
        && (word.contains("://")
            || word == "localhost"
            || word.rsplit_once(':').is_some_and(is_port)
            || word.parse::<std::net::IpAddr>().is_ok())
}
