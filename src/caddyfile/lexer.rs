//! Splits text into tokens: words, quoted words and comments. It knows no structure; `{` and `}`
//! are words like any other.

use std::sync::Arc;

use super::{ConfigError, Kind, Token};

/// The tokens of a text.
pub(super) struct Lexed {
    pub(super) tokens: Vec<Token>,
    /// A quote that never ends; the tokens are those before it.
    pub(super) error: Option<ConfigError>,
}

/// [`scan`] of a text whose quotes all end.
pub(super) fn lex(name: &str, text: &str) -> Result<Vec<Token>, ConfigError> {
    let Lexed { tokens, error } = scan(name, text);
    error.map_or(Ok(tokens), Err)
}

/// Splits `text` into tokens. The only error is a quote that never ends.
pub(super) fn scan(name: &str, text: &str) -> Lexed {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lexer = Lexer {
        chars: text.chars(),
        line: 1,
        column: 1,
        file: Arc::from(name),
        source: Arc::from(text),
    };
    let mut tokens = Vec::new();
    while let Some(first) = lexer.skip_blank() {
        let mut token = lexer.begin();
        if first != '"' {
            lexer.word(&mut token);
        } else if let Err(error) = lexer.quoted(&mut token) {
            return Lexed { tokens, error: Some(error) };
        }
        token.end_line = lexer.line;
        tokens.push(token);
    }
    Lexed { tokens, error: None }
}

struct Lexer<'a> {
    chars: std::str::Chars<'a>,
    line: u32,
    column: u32,
    file: Arc<str>,
    source: Arc<str>,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.clone().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    /// Passes white space and comments; the first character of a token stays unread.
    fn skip_blank(&mut self) -> Option<char> {
        loop {
            match self.peek()? {
                '#' => while self.peek().is_some_and(|c| c != '\n') && self.bump().is_some() {},
                c if c.is_whitespace() => {
                    self.bump();
                }
                c => return Some(c),
            }
        }
    }

    fn begin(&self) -> Token {
        Token {
            text: String::new(),
            file: self.file.clone(),
            line: self.line,
            column: self.column,
            source: self.source.clone(),
            end_line: self.line,
            origin: 0,
        }
    }

    /// `\"` is the only escape: Windows paths need no doubled backslash.
    fn quoted(&mut self, token: &mut Token) -> Result<(), ConfigError> {
        self.bump();
        while let Some(c) = self.bump() {
            match c {
                '"' => return Ok(()),
                '\\' if self.peek() == Some('"') => {
                    self.bump();
                    token.text.push('"');
                }
                '\\' => {
                    token.text.push('\\');
                    // The character behind is literal too, so `\\"` ends in a backslash.
                    if let Some(next) = self.bump() {
                        token.text.push(next);
                    }
                }
                c => token.text.push(c),
            }
        }
        Err(ConfigError::at(token, Kind::Syntax, "Unterminated quote, expecting '\"'")
            .hint("the quote opened here is never closed; a literal quote inside is written \\\""))
    }

    /// A carriage return is dropped and does not even end the word; `#` drops the word's rest.
    fn word(&mut self, token: &mut Token) {
        let mut comment = false;
        while let Some(c) = self.peek() {
            if c.is_whitespace() && c != '\r' {
                return;
            }
            self.bump();
            comment |= c == '#';
            if !comment && c != '\r' {
                token.text.push(c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::lex;

    fn words(text: &str) -> Vec<String> {
        lex("F", text).unwrap().iter().map(|t| format!("{}@{}", t.text, t.line)).collect()
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
            ("h{", &["h{@1"]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text), *expected, "{text:?}");
        }
    }

    #[test]
    fn an_open_quote_is_an_error_with_its_place() {
        let error = lex("Caddyfile", "a\n  \"unterminated x\n").unwrap_err().to_string();
        assert!(error.starts_with("Caddyfile:2 - Syntax error: Unterminated quote"), "{error}");
        assert!(error.contains("--> Caddyfile:2:3"), "{error}");
    }
}
