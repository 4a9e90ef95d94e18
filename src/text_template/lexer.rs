//! The text of a template as text and actions, and an action as tokens.

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Text(&'a str),
    /// What stands between the delimiters.
    Action {
        line: u32,
        inner: &'a str,
    },
}

/// Why there are no parts, and the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) line: u32,
    pub(super) message: String,
}

impl Wrong {
    pub(super) fn new(line: u32, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

/// What begins and ends an action.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delimiters<'a> {
    pub(super) left: &'a str,
    pub(super) right: &'a str,
}

/// Splits a template. Comments are left out, and trim markers have been applied.
pub(super) fn parts<'a>(text: &'a str, marks: Delimiters<'_>) -> Result<Vec<Part<'a>>, Wrong> {
    let mut parts = Vec::new();
    let (mut rest, mut line, mut trims) = (text, 1, false);
    loop {
        let found = rest.find(marks.left);
        let (mut before, behind) = match found {
            Some(at) => (&rest[..at], Some(&rest[at + marks.left.len()..])),
            None => (rest, None),
        };
        let lines_before = count_lines(before);
        if trims {
            before = before.trim_start_matches(SPACES);
        }
        let Some(mut inner) = behind else {
            push_text(&mut parts, before);
            return Ok(parts);
        };
        line += lines_before;
        let first = line;
        if let Some(trimmed) = inner.strip_prefix('-').filter(|rest| rest.starts_with(SPACES)) {
            before = before.trim_end_matches(SPACES);
            inner = trimmed;
        }
        push_text(&mut parts, before);
        let end = match comment_end(inner, marks, line)? {
            Some(end) => end,
            None => {
                let end = action_end(inner, marks, line)?;
                parts.push(Part::Action { line: first, inner: &inner[..end.inner] });
                end
            }
        };
        line += count_lines(&inner[..end.rest]);
        trims = end.trims;
        rest = &inner[end.rest..];
    }
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

fn count_lines(text: &str) -> u32 {
    text.bytes().filter(|byte| *byte == b'\n').count() as u32
}

fn push_text<'a>(parts: &mut Vec<Part<'a>>, text: &'a str) {
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
}

struct End {
    /// Where the action's own text ends.
    inner: usize,
    /// Where the template goes on.
    rest: usize,
    /// Whether the spaces behind it are removed.
    trims: bool,
}

/// The end of a comment, if the action is one: `/*` right behind the delimiter or its marker.
fn comment_end(inner: &str, marks: Delimiters<'_>, line: u32) -> Result<Option<End>, Wrong> {
    let body = inner.trim_start_matches(SPACES);
    // A space before the comment is the one of the marker.
    let is_comment = body.starts_with("/*") && inner.len() - body.len() <= 1;
    if !is_comment {
        return Ok(None);
    }
    let start = inner.len() - body.len() + 2;
    let close = inner[start..].find("*/");
    let after = close.map(|at| start + at + 2).ok_or_else(|| unclosed(line, "comment"))?;
    let tail = &inner[after..];
    let marked = tail.strip_prefix(SPACES).and_then(|tail| tail.strip_prefix('-'));
    let bare = marked.unwrap_or(tail);
    if !bare.starts_with(marks.right) {
        return Err(Wrong::new(line, format!("comment ends before {}", marks.right)));
    }
    let rest = inner.len() - bare.len() + marks.right.len();
    Ok(Some(End { inner: 0, rest, trims: marked.is_some() }))
}

/// The end of an action: the right delimiter that is in no string.
fn action_end(inner: &str, marks: Delimiters<'_>, line: u32) -> Result<End, Wrong> {
    let mut at = 0;
    while at < inner.len() {
        let rest = &inner[at..];
        if rest.starts_with(marks.right) {
            let own = &inner[..at];
            let bare = own.strip_suffix('-').filter(|own| own.ends_with(SPACES));
            return Ok(End {
                inner: bare.unwrap_or(own).len(),
                rest: at + marks.right.len(),
                trims: bare.is_some(),
            });
        }
        let quote = rest.chars().next().unwrap_or_default();
        at += match quote {
            '"' | '\'' | '`' => quoted(rest, quote).ok_or_else(|| unclosed(line, "string"))?,
            other => other.len_utf8(),
        };
    }
    Err(unclosed(line, "action"))
}

fn unclosed(line: u32, what: &str) -> Wrong {
    Wrong::new(line, format!("unclosed {what}"))
}

/// The length of the string that `text` begins with, with its quotes.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, next)) = chars.next() {
        match next {
            '\\' if quote != '`' => {
                chars.next()?;
            }
            '\n' if quote != '`' => return None,
            next if next == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// A token of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Between words, where it has a meaning: `.A .B` are two words.
    Space,
    Dot,
    /// `.Name`
    Field(String),
    /// `$name`, without `$`.
    Variable(String),
    Word(String),
    Number(String),
    Text(String),
    Character(char),
    Pipe,
    Comma,
    Assign,
    Declare,
    Open,
    Close,
}

/// Splits an action.
pub(super) fn tokens(inner: &str, line: u32) -> Result<Vec<Token>, Wrong> {
    let mut tokens = Vec::new();
    let mut rest = inner;
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            ' ' | '\t' | '\r' | '\n' => (Token::Space, rest.len() - rest.trim_start().len()),
            '|' => (Token::Pipe, 1),
            ',' => (Token::Comma, 1),
            '=' => (Token::Assign, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ':' if rest.starts_with(":=") => (Token::Declare, 2),
            '"' | '\'' | '`' => {
                let length = quoted(rest, first).ok_or_else(|| unclosed(line, "string"))?;
                (string(&rest[1..length - 1], first, line)?, length)
            }
            '$' => {
                let name = name(&rest[1..]);
                (Token::Variable(name.to_owned()), name.len() + 1)
            }
            '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => match name(&rest[1..]) {
                "" => (Token::Dot, 1),
                name => (Token::Field(name.to_owned()), name.len() + 1),
            },
            '.' | '+' | '-' | '0'..='9' => {
                let number = number(rest);
                (Token::Number(number.to_owned()), number.len())
            }
            first if first.is_alphabetic() || first == '_' => {
                let name = name(rest);
                (Token::Word(name.to_owned()), name.len())
            }
            other => {
                return Err(Wrong::new(line, format!("unexpected '{other}' in an action")));
            }
        };
        // The spaces around these mean nothing.
        let is_word = !matches!(token, Token::Space);
        if is_word || !tokens.is_empty() {
            tokens.push(token);
        }
        rest = &rest[length.max(1)..];
    }
    if tokens.last() == Some(&Token::Space) {
        tokens.pop();
    }
    Ok(tokens)
}

fn string(inner: &str, quote: char, line: u32) -> Result<Token, Wrong> {
    if quote == '`' {
        return Ok(Token::Text(inner.replace('\r', "")));
    }
    let text = super::number::unquote(inner)
        .ok_or_else(|| Wrong::new(line, format!("wrong escape in {quote}{inner}{quote}")))?;
    if quote == '"' {
        return Ok(Token::Text(text));
    }
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(only), None) => Ok(Token::Character(only)),
        _ => Err(Wrong::new(line, format!("'{inner}' is not one character"))),
    }
}

fn name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// A number, with the sign of an exponent.
fn number(text: &str) -> &str {
    let bytes = text.as_bytes();
    let is_hex = text.trim_start_matches(['+', '-']).to_ascii_lowercase().starts_with("0x");
    let mut end = 1;
    while let Some(byte) = bytes.get(end) {
        let before = bytes[end - 1].to_ascii_lowercase();
        let is_sign = matches!(byte, b'+' | b'-') && before == b'e' && !is_hex;
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || is_sign) {
            break;
        }
        end += 1;
    }
    &text[..end]
}
