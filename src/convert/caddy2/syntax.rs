//! The grammar of Caddy 2's Caddyfiles: lines of words, each with a block or none.

use std::rc::Rc;

use crate::caddyfile::Cursor;
use crate::convert::files::Source;
use crate::convert::page::Place;
use crate::limits::CONVERT_BLOCKS;

pub(in crate::convert) type Wrong = (Place, String);

/// A line with its block.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) at: Place,
    pub(super) words: Vec<String>,
    pub(super) block: Option<Vec<Self>>,
}

impl Segment {
    pub(super) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The words behind the first.
    pub(super) fn args(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    pub(super) fn arg(&self, at: usize) -> &str {
        self.args().get(at).map_or("", String::as_str)
    }

    pub(super) fn block(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// The line as a message names it.
    pub(super) fn shown(&self) -> String {
        let text = self.words.join(" ");
        match text.chars().count() {
            0..=80 => text,
            _ => text.chars().take(77).chain("...".chars()).collect(),
        }
    }
}

struct Token {
    at: Place,
    text: String,
    is_quoted: bool,
    end_line: u32,
}

impl Token {
    fn is(&self, text: &str) -> bool {
        !self.is_quoted && self.text == text
    }
}

/// The lines of a text. At the top they are addresses with blocks, or those of a single site.
pub(super) fn parse(name: &str, text: &str) -> Result<Vec<Segment>, Wrong> {
    let tokens = Lexer { cursor: Cursor::new(text), source: Source::new(name, text) }.tokens()?;
    let mut reader = Reader { tokens: tokens.into_iter().peekable() };
    let (all, close) = reader.segments(0)?;
    match close {
        Some(at) => Err((at, "unexpected '}'".to_owned())),
        None => Ok(all),
    }
}

struct Reader {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Reader {
    /// Up to the `}` that ends them, whose place is the second.
    fn segments(&mut self, depth: usize) -> Result<(Vec<Segment>, Option<Place>), Wrong> {
        let mut all = Vec::new();
        while let Some(first) = self.tokens.next() {
            if first.is("}") {
                return Ok((all, Some(first.at)));
            }
            let mut segment = Segment { at: first.at.clone(), words: Vec::new(), block: None };
            let mut last = first;
            loop {
                let line = last.end_line;
                let continues = depth == 0 && last.text.ends_with(',') && !last.is_quoted;
                let is_here = |next: &Token| next.at.line == line || continues;
                let is_last = !self.tokens.peek().is_some_and(is_here);
                if last.is("{") && is_last {
                    segment.block = Some(self.block(&last.at, depth)?);
                    break;
                }
                segment.words.push(last.text);
                if is_last {
                    break;
                }
                match self.tokens.next() {
                    Some(next) => last = next,
                    None => break,
                }
            }
            all.push(segment);
        }
        Ok((all, None))
    }

    fn block(&mut self, at: &Place, depth: usize) -> Result<Vec<Segment>, Wrong> {
        if depth >= CONVERT_BLOCKS {
            return Err((at.clone(), "too many blocks in one another".to_owned()));
        }
        match self.segments(depth + 1)? {
            (block, Some(_)) => Ok(block),
            (_, None) => Err((at.clone(), "the block is not closed".to_owned())),
        }
    }
}

struct Lexer<'a> {
    cursor: Cursor<'a>,
    source: Rc<Source>,
}

impl Lexer<'_> {
    fn tokens(mut self) -> Result<Vec<Token>, Wrong> {
        let mut all = Vec::new();
        while let Some(first) = self.cursor.skip_blank() {
            let at = Place {
                source: self.source.clone(),
                line: self.cursor.line,
                column: self.cursor.column,
            };
            let is_quoted = matches!(first, '"' | '`');
            let mut text = if is_quoted { self.quoted(first, &at)? } else { self.word() };
            let heredoc = text.strip_prefix("<<").filter(|_| !is_quoted).map(str::to_owned);
            let mut is_text = is_quoted;
            if let Some(marker) = heredoc.filter(|name| is_marker(name)) {
                text = self.heredoc(&marker, &at)?;
                is_text = true;
            }
            all.push(Token { at, text, is_quoted: is_text, end_line: self.cursor.line });
        }
        Ok(all)
    }

    fn quoted(&mut self, quote: char, at: &Place) -> Result<String, Wrong> {
        let mut text = String::new();
        self.cursor.bump();
        while let Some(c) = self.cursor.bump() {
            match c {
                c if c == quote => return Ok(text),
                '\\' if quote == '"' && self.cursor.peek() == Some('"') => {
                    text.extend(self.cursor.bump())
                }
                c => text.push(c),
            }
        }
        Err((at.clone(), "a quote is not closed".to_owned()))
    }

    fn word(&mut self) -> String {
        let mut text = String::new();
        while let Some(c) = self.cursor.peek().filter(|c| !c.is_whitespace()) {
            self.cursor.bump();
            text.push(c);
        }
        text
    }

    /// The lines up to the one that is the marker, without the margin that is before it.
    fn heredoc(&mut self, marker: &str, at: &Place) -> Result<String, Wrong> {
        let mut lines = Vec::new();
        while self.cursor.bump().is_some_and(|c| c != '\n') {}
        while self.cursor.peek().is_some() {
            let mut line = String::new();
            while let Some(c) = self.cursor.peek().filter(|c| *c != '\n') {
                self.cursor.bump();
                line.push(c);
                let margin = line.strip_suffix(marker);
                if let Some(margin) = margin.filter(|margin| margin.trim().is_empty()) {
                    let inner = lines.iter().map(|line: &String| {
                        line.strip_prefix(margin).unwrap_or(line.trim_start()).to_owned()
                    });
                    return Ok(inner.collect::<Vec<_>>().join("\n"));
                }
            }
            self.cursor.bump();
            lines.push(line);
        }
        Err((at.clone(), format!("the heredoc has no line {marker}")))
    }
}

fn is_marker(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}
