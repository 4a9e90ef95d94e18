//! Warns of unknown placeholders, in every directive whose row says that it takes any.

use crate::caddyfile::{Args, ConfigError, Directive, Kind, Token, nearest};
use crate::directives::Directive as Row;
use crate::http::placeholders::{Template, known, translated};

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
        }
        while args.next_block()? {
            let mut is_template = false;
            loop {
                is_template |= row.options.is_some_and(|rows| rows.takes_placeholders(args.val()));
                if is_template {
                    args.token().into_iter().for_each(|token| look(token, own, warn));
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
