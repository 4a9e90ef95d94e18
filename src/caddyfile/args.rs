//! A cursor over one directive's tokens, with which its set-up reads arguments and blocks.

use super::error::{ConfigError, Kind};
use super::lexer::Token;
use super::parser::Directive;

/// Walks the tokens of one directive. It starts before the first token, which is its name.
#[derive(Debug)]
pub struct Args<'a> {
    tokens: &'a [Token],
    name: &'a str,
    /// Index of the current token plus one; zero is before the first.
    at: usize,
    nesting: usize,
}

impl<'a> Args<'a> {
    pub fn new(directive: &'a Directive) -> Self {
        Self { tokens: &directive.tokens, name: &directive.name, at: 0, nesting: 0 }
    }

    /// Moves to the next token, whatever line it is on. `false` at the end.
    #[expect(clippy::should_implement_trait, reason = "it moves a cursor and yields no item")]
    pub fn next(&mut self) -> bool {
        let more = self.at < self.tokens.len();
        self.at += usize::from(more);
        more
    }

    /// Moves to the next token if it is on the current token's line and opens no block.
    pub fn next_arg(&mut self) -> bool {
        match (self.token(), self.tokens.get(self.at)) {
            (Some(now), Some(next)) if now.same_line(next) && !is_brace(next) => {
                self.at += 1;
                true
            }
            _ => false,
        }
    }

    /// Moves to the next token if it is on another line.
    pub fn next_line(&mut self) -> bool {
        match (self.token(), self.tokens.get(self.at)) {
            (Some(now), Some(next)) if now.same_line(next) => false,
            (_, Some(_)) => {
                self.at += 1;
                true
            }
            _ => false,
        }
    }

    /// `while args.next_block()? {}` walks the entries of the block that follows: each call
    /// stands on an entry's first token; `false` behind the closing brace, or where there is no
    /// block. Inside an entry it walks a nested block alike.
    pub fn next_block(&mut self) -> Result<bool, ConfigError> {
        let Some(next) = self.tokens.get(self.at) else { return Ok(false) };
        if next.text == "{" && self.token().is_some_and(|now| now.text != "{") {
            if !self.token().is_some_and(|now| now.same_line(next)) {
                return Err(self.stray_brace(next));
            }
            self.at += 1;
            self.nesting += 1;
        } else if self.nesting == 0 {
            return Ok(false);
        }
        if !self.next() {
            return Err(self.error("Unexpected EOF").hint("close the block with a '}'"));
        }
        if self.val() == "}" {
            self.nesting -= 1;
            return Ok(false);
        }
        Ok(true)
    }

    /// The current token's text; empty before the first.
    pub fn val(&self) -> &'a str {
        self.token().map_or("", |token| &token.text)
    }

    /// The current token.
    pub fn token(&self) -> Option<&'a Token> {
        self.tokens.get(self.at.checked_sub(1)?)
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
        if self.val() == "{" {
            return self
                .error("Unexpected token '{', expecting argument")
                .hint(format!("write the '{{' on the line of '{}'", self.name));
        }
        let message =
            format!("Wrong argument count or unexpected line ending after '{}'", self.val());
        self.error(message)
            .hint(format!("see docs/{}.md for what '{}' takes", self.name, self.name))
    }

    /// A set-up error at the current token; its kind is `Parse`, as in v1.
    pub fn error(&self, message: impl Into<String>) -> ConfigError {
        match self.token().or(self.tokens.first()) {
            Some(token) => ConfigError::at(token, Kind::Parse, message),
            None => ConfigError::nowhere(message),
        }
    }

    fn stray_brace(&self, brace: &Token) -> ConfigError {
        ConfigError::at(brace, Kind::Parse, "Unexpected token '{', expecting argument")
            .hint(format!("write the '{{' on the line of '{}'", self.name))
    }
}

fn is_brace(token: &Token) -> bool {
    token.text == "{" || token.text == "}"
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn directive(text: &str) -> Directive {
        let text = format!("host\n{text}");
        let parsed = super::super::parse("Caddyfile", &text, Path::new("."), &["dir"]).unwrap();
        parsed.blocks[0].directives[0].clone()
    }

    #[test]
    fn walks_runs_arguments_and_nested_blocks() {
        let directive = directive("dir a b {\n one 1\n two {\n  deep 2 3\n }\n}\ndir c");
        let mut args = Args::new(&directive);
        let mut seen = Vec::new();
        while args.next() {
            seen.push(format!("{}:{:?}", args.val(), args.remaining()));
            while args.next_block().unwrap() {
                seen.push(format!("{}:{:?}", args.val(), args.remaining()));
                if args.val() == "two" {
                    while args.next_block().unwrap() {
                        seen.push(format!("{}:{:?}", args.val(), args.remaining()));
                    }
                }
            }
        }
        let expected =
            [r#"dir:["a", "b"]"#, r#"one:["1"]"#, "two:[]", r#"deep:["2", "3"]"#, r#"dir:["c"]"#];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_brace_on_the_next_line_is_refused() {
        let directive = directive("dir x\n{\ny\n}");
        let mut args = Args::new(&directive);
        args.next();
        args.remaining();
        let error = args.next_block().unwrap_err();
        let first = "Caddyfile:3 - Parse error: Unexpected token '{', expecting argument";
        assert!(error.to_string().starts_with(first), "{error}");
    }
}
