//! Splits text into tokens: words, quoted words and comments. It knows no structure; `{` and `}`
//! are words like any other.

use std::sync::Arc;

use super::cursor::Cursor;
use super::{ConfigError, Kind, Role, Token};

/// The tokens of a text.
pub(super) struct Lexed {
    pub(super) tokens: Vec<Token>,
    pub(super) errors: Vec<ConfigError>,
    /// A quote never ends; the tokens are those of the lines before it.
    pub(super) is_cut: bool,
}

/// Splits `text` into tokens.
pub(super) fn scan(name: &str, text: &str) -> Lexed {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lexer =
        Lexer { cursor: Cursor::new(text), file: Arc::from(name), source: Arc::from(text) };
    let mut tokens: Vec<Token> = Vec::new();
    let mut errors = Vec::new();
    let mut is_cut = false;
    while let Some(first) = lexer.cursor.skip_blank() {
        let mut token = lexer.begin();
        if first != '"' {
            lexer.word(&mut token);
            errors.extend(lexer.heredoc(&token));
        } else if let Err(error) = lexer.quoted(&mut token) {
            // The word before the quote on its line lacks an argument now.
            tokens.retain(|one| one.line < token.line);
            errors.push(error);
            is_cut = true;
            break;
        }
        token.end_line = lexer.cursor.line;
        tokens.push(token);
    }
    split_braces(&mut tokens, &mut errors);
    Lexed { tokens, errors, is_cut }
}

/// A `{` at the end of a line that no space separates from the word before it is no part of it.
fn split_braces(tokens: &mut Vec<Token>, errors: &mut Vec<ConfigError>) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let is_last = tokens.get(at + 1).is_none_or(|next| !token.shares_line(next));
        let word = token.text.strip_suffix('{').filter(|word| !word.is_empty());
        let Some(word) = word.filter(|word| is_last && !token.is_quoted && !word.ends_with('{'))
        else {
            at += 1;
            continue;
        };
        let error = ConfigError::at(token, Kind::Parse, "Expected a space before '{'");
        errors.push(error.hint(format!("write: {word} {{")));
        let mut brace = Token { text: "{".to_owned(), ..token.clone() };
        brace.column += u32::try_from(word.chars().count()).unwrap_or_default();
        tokens[at].text.pop();
        tokens.insert(at + 1, brace);
        at += 2;
    }
}

struct Lexer<'a> {
    cursor: Cursor<'a>,
    file: Arc<str>,
    source: Arc<str>,
}

impl Lexer<'_> {
    fn begin(&self) -> Token {
        Token {
            text: String::new(),
            file: self.file.clone(),
            line: self.cursor.line,
            column: self.cursor.column,
            source: self.source.clone(),
            end_line: self.cursor.line,
            origin: 0,
            is_quoted: false,
            unset: None,
        }
    }

    /// `\"` is the only escape: Windows paths need no doubled backslash.
    fn quoted(&mut self, token: &mut Token) -> Result<(), ConfigError> {
        self.cursor.bump();
        token.is_quoted = true;
        while let Some(c) = self.cursor.bump() {
            match c {
                '"' => return Ok(()),
                '\\' if self.cursor.peek() == Some('"') => {
                    self.cursor.bump();
                    token.text.push('"');
                }
                '\\' => {
                    token.text.push('\\');
                    // The character behind is literal too, so `\\"` ends in a backslash.
                    if let Some(next) = self.cursor.bump() {
                        token.text.push(next);
                    }
                }
                c => token.text.push(c),
            }
        }
        Err(ConfigError::at(token, Kind::Syntax, "Unterminated quote, expecting '\"'")
            .hint("the quote opened here is never closed; a literal quote inside is written \\\""))
    }

    /// `<<NAME` at the end of a line and, below it, a line that begins with NAME: Caddy 2's way to
    /// write text of several lines, which are passed over.
    fn heredoc(&mut self, token: &Token) -> Option<ConfigError> {
        let name = token.text.strip_prefix("<<").filter(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        })?;
        let (rest, lines) = self.cursor.rest().split_once('\n')?;
        let ends = |line: &str| line.split_whitespace().next() == Some(name);
        let last = lines.lines().position(ends)?;
        if !rest.trim().is_empty() {
            return None;
        }
        for _ in 0..=last {
            while self.cursor.bump().is_some_and(|c| c != '\n') {}
        }
        while self.cursor.peek().is_some_and(char::is_whitespace) {
            self.cursor.bump();
        }
        for _ in name.chars() {
            self.cursor.bump();
        }
        let message = format!("'{}' begins a heredoc, which only Caddy 2 has", token.text);
        Some(ConfigError::at(token, Kind::Parse, message).role(Role::Caddy2).hint(
            "write the text in double quotes, also over several lines; a quote in it is \\\"",
        ))
    }

    /// A carriage return is dropped and does not even end the word; `#` drops the word's rest.
    fn word(&mut self, token: &mut Token) {
        let mut comment = false;
        while let Some(c) = self.cursor.peek() {
            if c.is_whitespace() && c != '\r' {
                return;
            }
            self.cursor.bump();
            comment |= c == '#';
            if !comment && c != '\r' {
                token.text.push(c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::scan;

    fn words(text: &str) -> Vec<String> {
        scan("F", text).tokens.iter().map(|t| format!("{}@{}", t.text, t.line)).collect()
    }

    #[test]
    fn splits_into_tokens() {
        let cases: &[(&str, &[&str])] = &[
            ("host:123", &["host:123@1"]),
            ("host:123\n\n directive", &["host:123@1", "directive@3"]),
            ("host:123 { directive }", &["host:123@1", "{@1", "directive@1", "}@1"]),
            (
                "{\n #comment\n directive\n # comment\n foobar # another\n }",
                &["{@1", "directive@3", "foobar@5", "}@6"],
            ),
            ("A \"quoted \\\"value\\\" inside\" B", &["A@1", "quoted \"value\" inside@1", "B@1"]),
            ("\"don't\\escape\"", &["don't\\escape@1"]),
            ("\"don't\\\\escape\"", &["don't\\\\escape@1"]),
            ("\"a\n\t\tb\" {\nfoobar\n}", &["a\n\t\tb@1", "{@2", "foobar@3", "}@4"]),
            ("\"C:\\php\\php-cgi.exe\"", &["C:\\php\\php-cgi.exe@1"]),
            ("skip those\r\nCR characters", &["skip@1", "those@1", "CR@2", "characters@2"]),
            ("\u{feff}:8080", &[":8080@1"]),
            ("foo#bar baz", &["foo@1", "baz@1"]),
            ("foo #bar baz", &["foo@1"]),
            ("a\"b c\" d", &["a\"b@1", "c\"@1", "d@1"]),
            ("\"a\"b", &["a@1", "b@1"]),
            ("a\rb", &["ab@1"]),
            ("\"\" x", &["@1", "x@1"]),
            ("h{", &["h@1", "{@1"]),
            ("h{\n\"h{\" {{\nh{ x", &["h@1", "{@1", "h{@2", "{{@2", "h{@3", "x@3"]),
            ("a <<EOF\nb \"c\n EOF\nd", &["a@1", "<<EOF@1", "d@4"]),
            ("a <<EOF\nb", &["a@1", "<<EOF@1", "b@2"]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text), *expected, "{text:?}");
        }
    }

    #[test]
    fn an_open_quote_is_an_error_with_its_place() {
        let error = &scan("Caddyfile", "a\n  \"unterminated x\n").errors[0].to_string();
        assert!(error.starts_with("Caddyfile:2 - Syntax error: Unterminated quote"), "{error}");
        assert!(error.contains("--> Caddyfile:2:3"), "{error}");
    }
}
