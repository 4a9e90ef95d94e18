//! JavaScript without comments and superfluous white space. A line end stays wherever a semicolon
//! may be inserted for it (ECMA-262, section 12.10).

mod lexer;
mod punctuator;

use lexer::{Gap, Kind, Lexer, Token, is_word};

/// `None` for what is not plain JavaScript, or where a `/` may be one thing or the other.
pub(super) fn minified(text: &str) -> Option<String> {
    let mut lexer = Lexer::new(text);
    let mut made = String::with_capacity(text.len());
    made.push_str(lexer.hashbang());
    let mut last: Option<Token<'_>> = None;
    loop {
        let between = lexer.gap()?;
        let next = lexer.token()?;
        let line = between.gap == Gap::Line;
        for comment in &between.kept {
            let ends = if line { "\n" } else { "" };
            for part in [if made.is_empty() { "" } else { ends }, comment, ends] {
                made.push_str(part);
            }
        }
        let Some(next) = next else { break };
        if let Some(last) = last.filter(|_| between.kept.is_empty()) {
            made.push_str(separator(&last, &next, between.gap));
        }
        made.push_str(next.text);
        last = Some(next);
    }
    lexer.is_closed().then_some(made)
}

/// What stands between two tokens.
fn separator(before: &Token<'_>, after: &Token<'_>, gap: Gap) -> &'static str {
    match gap {
        Gap::None => "",
        Gap::Line if !is_line_idle(before, after) => "\n",
        Gap::Line | Gap::Space => {
            if would_join(before, after) {
                " "
            } else {
                ""
            }
        }
    }
}

/// Whether no semicolon can be inserted for a line end here, as one there would be an error or an
/// empty statement.
fn is_line_idle(before: &Token<'_>, after: &Token<'_>) -> bool {
    let opens = match before.kind {
        Kind::Punctuator => !matches!(before.text, ")" | "]" | "}" | "++" | "--"),
        Kind::Template => before.text.ends_with("${"),
        _ => false,
    };
    let closes = match after.kind {
        Kind::Punctuator => matches!(after.text, ")" | "]" | "}" | "," | ";"),
        Kind::Template => after.text.starts_with('}'),
        _ => false,
    };
    opens || closes
}

/// Whether two tokens would be others without a space between them.
fn would_join(before: &Token<'_>, after: &Token<'_>) -> bool {
    let (Some(last), Some(first)) = (before.text.chars().last(), after.text.chars().next()) else {
        return false;
    };
    if is_word(first) || matches!(first, '#' | '@' | '\\') {
        return is_word(last) || matches!(before.kind, Kind::Number | Kind::Regex);
    }
    if before.kind == Kind::Number && first == '.' {
        return true;
    }
    match (last, first) {
        ('/', '/' | '*') | ('<', '!') | ('-', '>') | ('.' | '?', '.' | '0'..='9') => true,
        _ if before.kind == Kind::Punctuator && after.kind == Kind::Punctuator => {
            let both = [before.text, after.text].concat();
            punctuator::at(&both).is_some_and(|longest| longest != before.text)
        }
        _ => false,
    }
}
