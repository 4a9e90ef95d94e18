//! Text to tokens: words, quoted words, comments. Knows no blocks.

use std::sync::Arc;

use super::error::{ConfigError, Kind};

/// One word and where it stands.
#[derive(Debug, Clone)]
pub struct Token {
    pub text: String,
    pub file: Arc<str>,
    /// Line and column (in characters) of the token's start, both from 1.
    pub line: u32,
    pub column: u32,
    /// The whole text it was read from, for messages.
    pub(super) source: Arc<str>,
    /// Line feeds inside the token, so that what follows a quoted value that spans lines is
    /// still on its line.
    pub(super) breaks: u32,
}

impl Token {
    /// Whether `next` follows on the same line.
    pub(super) fn same_line(&self, next: &Self) -> bool {
        Arc::ptr_eq(&self.source, &next.source) && self.line + self.breaks == next.line
    }

    pub(super) fn source_line(&self) -> Option<String> {
        let line = self.source.lines().nth(self.line.checked_sub(1)? as usize)?;
        Some(line.trim_end_matches('\r').to_owned())
    }
}

/// Splits a whole file. `file` names it in messages.
pub(super) fn tokens(file: &str, text: &str) -> Result<Vec<Token>, ConfigError> {
    let source: Arc<str> = Arc::from(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut lexer = Lexer {
        chars: source.chars().peekable(),
        line: 1,
        column: 1,
        file: Arc::from(file),
        source: source.clone(),
    };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    line: u32,
    column: u32,
    file: Arc<str>,
    source: Arc<str>,
}

impl Lexer<'_> {
    fn bump(&mut self) -> Option<char> {
        let next = self.chars.next()?;
        if next == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(next)
    }

    fn next(&mut self) -> Result<Option<Token>, ConfigError> {
        while let Some(&next) = self.chars.peek() {
            if next == '#' {
                self.skip_line();
            } else if next.is_whitespace() {
                self.bump();
            } else {
                return self.word(next).map(Some);
            }
        }
        Ok(None)
    }

    fn word(&mut self, first: char) -> Result<Token, ConfigError> {
        let mut token = Token {
            text: String::new(),
            file: self.file.clone(),
            line: self.line,
            column: self.column,
            source: self.source.clone(),
            breaks: 0,
        };
        if first == '"' {
            self.bump();
            self.quoted(&mut token)?;
        } else {
            self.unquoted(&mut token);
        }
        Ok(token)
    }

    /// Up to the closing quote; `\"` is a quote, any other backslash stays as it is.
    fn quoted(&mut self, token: &mut Token) -> Result<(), ConfigError> {
        while let Some(next) = self.bump() {
            match next {
                '"' => return Ok(()),
                '\\' if self.chars.peek() == Some(&'"') => {
                    self.bump();
                    token.text.push('"');
                }
                _ => {
                    token.breaks += u32::from(next == '\n');
                    token.text.push(next);
                }
            }
        }
        Err(ConfigError::at(token, Kind::Parse, "Unterminated quote")
            .hint("close the value with a \" or write \\\" for a quote inside it"))
    }

    /// Up to white space. A `#` drops the rest of the word; a carriage return just vanishes.
    fn unquoted(&mut self, token: &mut Token) {
        let mut dropped = false;
        while let Some(&next) = self.chars.peek() {
            if next != '\r' && next.is_whitespace() {
                return;
            }
            self.bump();
            dropped |= next == '#';
            if next != '\r' && !dropped {
                token.text.push(next);
            }
        }
    }

    fn skip_line(&mut self) {
        while self.chars.peek().is_some_and(|next| *next != '\n') {
            self.bump();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexed(text: &str) -> Vec<String> {
        let tokens = tokens("Caddyfile", text).unwrap();
        tokens.iter().map(|token| format!("{}@{}", token.text, token.line)).collect()
    }

    /// The table "Test facts: lexer" and what running the 0.9.5 parser showed.
    #[test]
    fn words_and_lines() {
        let table: &[(&str, &[&str])] = &[
            ("host:123", &["host:123@1"]),
            ("host:123\n\n directive", &["host:123@1", "directive@3"]),
            ("host:123 { directive }", &["host:123@1", "{@1", "directive@1", "}@1"]),
            (
                "h {\n#comment\n directive\n# comment\nfoobar # another\n}",
                &["h@1", "{@1", "directive@3", "foobar@5", "}@6"],
            ),
            (r#"A "quoted \"value\" inside" B"#, &["A@1", "quoted \"value\" inside@1", "B@1"]),
            (r#""don't\escape""#, &["don't\\escape@1"]),
            ("\"a\n\tb\" {\nfoobar\n}", &["a\n\tb@1", "{@2", "foobar@3", "}@4"]),
            (r#""C:\php\php-cgi.exe""#, &["C:\\php\\php-cgi.exe@1"]),
            ("skip those\r\nCR characters", &["skip@1", "those@1", "CR@2", "characters@2"]),
            ("\u{feff}:8080", &[":8080@1"]),
            ("foo#bar baz", &["foo@1", "baz@1"]),
            ("foo #bar baz", &["foo@1"]),
            (r#"a"b c" d"#, &["a\"b@1", "c\"@1", "d@1"]),
            (r#""a"b"#, &["a@1", "b@1"]),
            ("a\rb", &["ab@1"]),
            (r#""""#, &["@1"]),
        ];
        for (text, expected) in table {
            assert_eq!(lexed(text), *expected, "{text:?}");
        }
    }

    #[test]
    fn an_unterminated_quote_is_an_error_where_it_opens() {
        let error = tokens("Caddyfile", "a\n  \"b c").unwrap_err();
        assert_eq!((error.line, error.column), (2, 3));
        assert!(error.to_string().starts_with("Caddyfile:2 - Parse error: Unterminated quote"));
    }
}
