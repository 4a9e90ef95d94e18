//! Warns of unknown placeholders, in every directive whose row says that it takes any.

use crate::caddyfile::{Args, ConfigError, Directive, Kind, Token, nearest};
use crate::directives::Directive as Row;
use crate::http::placeholders::{Template, known, of_variable, translated};

/// Adds a warning for each unknown name among the directive's words.
pub(super) fn check(
    directive: &Directive,
    row: &Row,
    warn: &mut dyn FnMut(ConfigError),
) -> Result<(), ConfigError> {
    let mut args = Args::new(directive);
    let own = row.own_placeholders;
    while args.next() {
        while args.next_arg() {
            if row.templates {
                args.token().into_iter().for_each(|token| look(token, own, warn));
            }
            if directive.name == "rewrite" {
                args.token().into_iter().for_each(|token| groups(token, warn));
            }
        }
        while args.next_block()? {
            let mut is_template = false;
            loop {
                is_template |= row.options.is_some_and(|rows| rows.takes_placeholders(args.val()));
                if is_template {
                    args.token().into_iter().for_each(|token| look(token, own, warn));
                }
                if directive.name == "rewrite" {
                    args.token().into_iter().for_each(|token| groups(token, warn));
                }
                if !args.next_arg() {
                    break;
                }
            }
            while args.opens_block() && args.next_block()? {
                args.remaining();
            }
        }
    }
    Ok(())
}

fn look(token: &Token, own: &[&str], warn: &mut dyn FnMut(ConfigError)) {
    variables(token, warn);
    if !token.text.contains('{') {
        return;
    }
    // In a pattern, `\p{Greek}` is a class of characters and `\x{e9}` a character.
    let text = token.text.replace("\\p{", "").replace("\\P{", "").replace("\\x{", "");
    let known = known();
    for name in Template::parse(&text).unknown().filter(|name| !own.contains(name)) {
        let error = ConfigError::at(token, Kind::Parse, format!("unknown placeholder {{{name}}}"));
        let meant = translated(name).or_else(|| nearest(name, &known).map(str::to_owned));
        warn(match meant {
            Some(meant) => error.hint(format!("did you mean {{{meant}}}?")),
            None => error.hint("it is always empty; docs/caddyfile.md lists the placeholders"),
        });
    }
}

/// Variables as nginx writes them, such as `$host`, are text here.
fn variables(token: &Token, warn: &mut dyn FnMut(ConfigError)) {
    for name in dollars(&token.text) {
        let Some(meant) = of_variable(name) else { continue };
        let message = format!("${name} is text, and no placeholder");
        let hint = format!("write {{{meant}}} in place of ${name}");
        warn(ConfigError::at(token, Kind::Parse, message).hint(hint));
    }
}

/// `$1`, which elsewhere is a group of a regular expression.
fn groups(token: &Token, warn: &mut dyn FnMut(ConfigError)) {
    let is_number = |name: &&str| name.len() == 1 && name.starts_with(|c| ('1'..='9').contains(&c));
    for name in dollars(&token.text).filter(is_number) {
        let message = format!("${name} is text, and no placeholder");
        let hint = format!("write {{{name}}} in place of ${name}");
        warn(ConfigError::at(token, Kind::Parse, message).hint(hint));
    }
}

/// The names behind `$`, but not those of the environment, `{$NAME}`.
fn dollars(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('$').filter_map(|(at, _)| {
        let rest = &text[at + 1..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = &rest[..end.unwrap_or(rest.len())];
        (!text[..at].ends_with('{') && !name.is_empty()).then_some(name)
    })
}
