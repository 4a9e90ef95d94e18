//! A position in the tokens of an action.

use super::lexer::Token;

pub(super) struct Cursor<'t> {
    tokens: &'t [Token],
    pub(super) at: usize,
    /// Open parentheses.
    pub(super) open: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(tokens: &'t [Token]) -> Self {
        Self { tokens, at: 0, open: 0 }
    }

    pub(super) fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.at)
    }

    pub(super) fn next(&mut self) -> Option<&'t Token> {
        self.at += 1;
        self.tokens.get(self.at - 1)
    }

    pub(super) fn skip_space(&mut self) -> bool {
        let is_space = self.peek() == Some(&Token::Space);
        self.at += usize::from(is_space);
        is_space
    }

    pub(super) fn without_space(&self) -> &'t [Token] {
        let rest = self.tokens.get(self.at..).unwrap_or_default();
        rest.strip_prefix(&[Token::Space]).unwrap_or(rest)
    }

    /// The names that follow without a space.
    pub(super) fn fields(&mut self, first: Option<&String>) -> Vec<String> {
        let mut names: Vec<String> = first.into_iter().cloned().collect();
        while let Some(Token::Field(name)) = self.peek() {
            names.push(name.clone());
            self.at += 1;
        }
        names
    }
}
