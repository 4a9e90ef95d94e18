//! The grammar of nginx: directives of words, ended by `;` or by a block.

use std::rc::Rc;

use crate::caddyfile::Cursor;
use crate::convert::files::Source;
use crate::convert::page::Place;
use crate::limits::CONVERT_BLOCKS;

/// A directive with its words and its block.
#[derive(Debug, Clone)]
pub(super) struct Directive {
    pub(super) at: Place,
    pub(super) name: String,
    pub(super) args: Vec<String>,
    pub(super) block: Option<Vec<Self>>,
}

impl Directive {
    pub(super) fn arg(&self, at: usize) -> &str {
        self.args.get(at).map_or("", String::as_str)
    }

    /// The directive as a message names it.
    pub(super) fn shown(&self) -> String {
        let mut text = self.name.clone();
        for arg in &self.args {
            text.push(' ');
            text.push_str(arg);
        }
        if text.chars().count() > 80 {
            text = text.chars().take(77).chain("...".chars()).collect();
        }
        text
    }

    pub(super) fn block(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// Where a text is no configuration, and why.
pub(in crate::convert) type Wrong = (Place, String);

/// The directives of a text.
pub(super) fn parse(name: &str, text: &str) -> Result<Vec<Directive>, Wrong> {
    let source = Source::new(name, text);
    let mut reader = Reader { cursor: Cursor::new(text), source };
    reader.directives(0)
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    source: Rc<Source>,
}

enum Token {
    Word(String),
    Semicolon,
    Open,
    Close,
    End,
}

impl Reader<'_> {
    fn directives(&mut self, depth: usize) -> Result<Vec<Directive>, Wrong> {
        let mut all = Vec::new();
        loop {
            let (at, token) = self.token()?;
            let name = match token {
                Token::Word(name) => name,
                Token::Close if depth > 0 => return Ok(all),
                Token::End if depth == 0 => return Ok(all),
                Token::End => return Err((at, "the end of the file comes before a '}'".into())),
                Token::Close => return Err((at, "unexpected '}'".into())),
                Token::Semicolon => return Err((at, "unexpected ';'".into())),
                Token::Open => return Err((at, "unexpected '{'".into())),
            };
            let mut args = Vec::new();
            let block = loop {
                let (here, token) = self.token()?;
                match token {
                    Token::Word(word) => args.push(word),
                    Token::Semicolon => break None,
                    Token::Open if depth < CONVERT_BLOCKS => {
                        break Some(self.directives(depth + 1)?);
                    }
                    Token::Open => return Err((here, "too many blocks in one another".into())),
                    Token::Close | Token::End => {
                        return Err((at, format!("'{name}' is not ended by ';'")));
                    }
                }
            };
            all.push(Directive { at, name, args, block });
        }
    }

    fn place(&self) -> Place {
        Place { source: self.source.clone(), line: self.cursor.line, column: self.cursor.column }
    }

    fn token(&mut self) -> Result<(Place, Token), Wrong> {
        let first = self.cursor.skip_blank();
        let at = self.place();
        let Some(first) = first else { return Ok((at, Token::End)) };
        let token = match first {
            ';' | '{' | '}' => {
                self.cursor.bump();
                match first {
                    ';' => Token::Semicolon,
                    '{' => Token::Open,
                    _ => Token::Close,
                }
            }
            '"' | '\'' => Token::Word(self.quoted(first, &at)?),
            _ => Token::Word(self.word()),
        };
        Ok((at, token))
    }

    fn quoted(&mut self, quote: char, at: &Place) -> Result<String, Wrong> {
        let mut word = String::new();
        self.cursor.bump();
        while let Some(c) = self.cursor.bump() {
            match c {
                '\\' => self.escaped(&mut word),
                c if c == quote => return Ok(word),
                c => word.push(c),
            }
        }
        Err((at.clone(), "a quote is not closed".into()))
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.cursor.peek() {
            // `${name}` is a variable.
            let ends = c.is_whitespace() || c == ';' || c == '{' && !word.ends_with('$');
            if ends {
                break;
            }
            self.cursor.bump();
            match c {
                '\\' => self.escaped(&mut word),
                c => word.push(c),
            }
        }
        word
    }

    /// The character behind a backslash, which stays where nginx keeps it.
    fn escaped(&mut self, word: &mut String) {
        match self.cursor.bump() {
            Some(c @ ('"' | '\'' | '\\')) => word.push(c),
            Some('t') => word.push('\t'),
            Some('r') => word.push('\r'),
            Some('n') => word.push('\n'),
            Some(c) => word.extend(['\\', c]),
            None => word.push('\\'),
        }
    }
}
