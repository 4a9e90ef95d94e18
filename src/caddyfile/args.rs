//! A cursor over one directive's tokens, with the warnings about them.
use super::{ConfigError, Directive, Kind, Syntax, Token};
use crate::warning::Warning;

/// Walks the tokens of one directive. It starts before the first token.
#[derive(Clone)]
pub struct Args<'a> {
    directive: &'a Directive,
    /// Index of the current token plus one; zero is before the first.
    at: usize,
    /// How many blocks the cursor is inside of.
    nesting: usize,
    /// The last move closed a block and left another one open.
    left_inner: bool,
    pub(super) reading: Reading,
    warnings: Vec<Warning>,
    /// Errors beside the one that the set-up returns.
    errors: Vec<ConfigError>,
}

/// A place in the directive's words.
#[derive(Clone, Copy)]
pub(super) struct Place {
    at: usize,
    nesting: usize,
}

/// What of the directive is being read; [`super::Options`] sets it.
#[derive(Clone, Copy, Default)]
pub(super) struct Reading {
    /// How it is written.
    pub(super) usage: Option<&'static str>,
    /// The option's name; `None` outside of options.
    pub(super) option: Option<&'static str>,
    /// The options whose names end the arguments.
    pub(super) stops: Option<&'static dyn Syntax>,
}

impl<'a> Args<'a> {
    pub fn new(directive: &'a Directive) -> Self {
        Self {
            directive,
            at: 0,
            nesting: 0,
            left_inner: false,
            reading: Reading::default(),
            warnings: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Moves to the next token, whatever line it is on. `false` at the end, and where a block
    /// inside a block was walked as if it were the outer one: [`Args::finish`] tells which.
    #[allow(
        clippy::should_implement_trait,
        reason = "v1's word for it; a cursor that looks back is no iterator"
    )]
    pub fn next(&mut self) -> bool {
        if self.left_inner || self.at >= self.directive.tokens.len() {
            return false;
        }
        self.at += 1;
        true
    }

    /// Moves to the next token if it is on the current token's line, is not a brace that opens or
    /// closes a block, and does not begin another option of a block in one line.
    pub fn next_arg(&mut self) -> bool {
        let is_arg = self
            .peek_arg()
            .is_some_and(|next| self.reading.stops.is_none_or(|options| !options.has(&next.text)));
        if is_arg {
            self.step();
        }
        is_arg
    }

    /// The next token, if it is on the current token's line and no brace.
    pub(super) fn peek_arg(&self) -> Option<&'a Token> {
        let next = self.same_line()?;
        let is_brace = next.text == "{" || (next.text == "}" && self.nesting > 0);
        (!is_brace).then_some(next)
    }

    /// Whether it is on a token before that of `other`, a cursor over the same directive.
    pub(super) fn stands_before(&self, other: &Self) -> bool {
        self.at < other.at
    }

    /// Whether something of the directive stands before the current token on its line.
    pub fn shares_line(&self) -> bool {
        let before = self.at.checked_sub(2).and_then(|at| self.directive.tokens.get(at));
        before.zip(self.token()).is_some_and(|(before, now)| before.shares_line(now))
    }

    /// Whether a block, perhaps an empty one, opens behind the current token.
    pub fn opens_block(&self) -> bool {
        self.same_line().is_some_and(|t| t.text == "{")
    }

    /// `while args.next_block()?` walks the entries of the block that follows: each call stands
    /// on an entry's first token; `false` behind the closing brace or where there is no block.
    /// Called on an entry that has a `{` on its line, it walks that inner block likewise.
    pub fn next_block(&mut self) -> Result<bool, ConfigError> {
        self.left_inner = false;
        if self.opens_block() {
            self.step();
            self.nesting += 1;
        } else if self.peek().is_some_and(|t| t.text == "{") {
            self.step();
            return Err(self.arg_error());
        } else if self.nesting == 0 {
            return Ok(false);
        }
        if self.peek().is_none() {
            return Err(self
                .error("Unexpected EOF")
                .hint("close the block with a line that holds only `}`"));
        }
        self.step();
        match self.val() {
            "}" => {
                self.nesting -= 1;
                self.left_inner = self.nesting > 0;
                Ok(false)
            }
            "{" => Err(self.arg_error()),
            _ => Ok(true),
        }
    }

    /// The directive's name.
    pub fn directive(&self) -> &'a str {
        &self.directive.name
    }

    /// What is being read, for messages: the option, else the directive.
    pub fn name(&self) -> &'a str {
        self.reading.option.unwrap_or(&self.directive.name)
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

    /// [`Args::remaining`] where there must be at least one, else [`Args::arg_error`].
    pub fn one_or_more(&mut self) -> Result<Vec<&'a str>, ConfigError> {
        let args = self.remaining();
        if args.is_empty() { Err(self.arg_error()) } else { Ok(args) }
    }

    /// Moves to the one argument there must be, else [`Args::arg_error`].
    pub fn required(&mut self) -> Result<&'a str, ConfigError> {
        if self.next_arg() { Ok(self.val()) } else { Err(self.arg_error()) }
    }

    /// Refuses another argument on the current line.
    pub fn no_more(&mut self) -> Result<(), ConfigError> {
        if self.next_arg() { Err(self.arg_error()) } else { Ok(()) }
    }

    /// How the directive is written, for [`Args::arg_error`].
    pub fn written_as(&mut self, usage: &'static str) {
        self.reading.usage = Some(usage);
    }

    /// `Wrong argument count or unexpected line ending after 'tok'`; where a brace on a line of
    /// its own is the cause, that brace is what is unexpected.
    pub fn arg_error(&self) -> ConfigError {
        let current = self.token().filter(|token| token.text == "{");
        let stray = || self.peek().filter(|t| t.text == "{" && self.same_line().is_none());
        if let Some(brace) = current.or_else(stray) {
            let message = "Unexpected token '{', expecting argument";
            return ConfigError::at(brace, Kind::Parse, message)
                .hint("`{` belongs at the end of the line of the word whose block it opens");
        }
        let hint = match self.reading.usage {
            Some(usage) => format!("write: {usage}"),
            None => format!("check what `{}` takes on one line", self.directive.name),
        };
        self.error(format!("Wrong argument count or unexpected line ending after '{}'", self.val()))
            .hint(hint)
    }

    /// A set-up error at the current token; its kind is `Parse`, as in v1.
    pub fn error(&self, message: impl Into<String>) -> ConfigError {
        match self.token().or_else(|| self.directive.tokens.first()) {
            Some(token) => ConfigError::at(token, Kind::Parse, message),
            None => ConfigError::nowhere(Kind::Parse, message),
        }
    }

    /// Keeps what is no error after all, for whoever calls the set-up: `args.warn(args.error(…))`.
    pub fn warn(&mut self, error: ConfigError) {
        self.warnings.push(error.warning());
    }

    /// Keeps an error beside the one that the set-up will return.
    pub(super) fn also(&mut self, error: ConfigError) {
        self.errors.push(error);
    }

    /// What [`Options`](super::Options) found beside the error that the set-up has returned.
    pub fn others(&mut self) -> Vec<ConfigError> {
        std::mem::take(&mut self.errors)
    }

    /// The words behind the run of the directive that this error is in.
    pub fn behind(&self, error: &ConfigError) -> Option<Directive> {
        let tokens = &self.directive.tokens;
        let is_there = |token: &Token| {
            (&token.file, token.line, token.column) == (&error.file, error.line, error.column)
        };
        let at = tokens.iter().position(is_there)?;
        let mut depth = 0usize;
        let mut next = None;
        for (nth, token) in tokens.iter().enumerate() {
            match token.text.as_str() {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                name if depth == 0 && nth > at && *name == self.directive.name => {
                    next = next.or((!tokens[nth - 1].shares_line(token)).then_some(nth));
                }
                _ => {}
            }
        }
        let name = self.directive.name.clone();
        next.map(|next| Directive { name, tokens: tokens[next..].to_vec() })
    }

    /// [`Args::error`] at one of the words that have been read.
    pub fn error_at(&self, word: &str, message: impl Into<String>) -> ConfigError {
        let is_it = |token: &&Token| std::ptr::eq(token.text.as_str(), word);
        match self.directive.tokens.iter().find(is_it) {
            Some(token) => ConfigError::at(token, Kind::Parse, message),
            None => self.error(message),
        }
    }

    /// For the caller of a set-up: everything written must have been read. Returns the warnings.
    pub fn finish(mut self) -> Result<Vec<Warning>, ConfigError> {
        if self.peek().is_none() {
            return Ok(self.warnings);
        }
        self.step();
        if self.val() == "{" {
            return Err(self.arg_error());
        }
        let name = &self.directive.name;
        Err(self
            .error(format!("Unexpected token '{}' in '{name}'", self.val()))
            .hint(format!("`{name}` takes no block inside its block here")))
    }

    /// Where an entry of a block begins, for [`Args::skip_entry`].
    pub(super) fn place(&self) -> Place {
        Place { at: self.at, nesting: self.nesting }
    }

    /// Goes to the end of the entry that begins there, over its own block.
    pub(super) fn skip_entry(&mut self, from: Place) {
        self.at = from.at;
        self.nesting = from.nesting;
        self.left_inner = false;
        let mut depth = 0usize;
        while let Some(next) = self.peek().filter(|_| depth > 0 || self.same_line().is_some()) {
            match next.text.as_str() {
                "{" => depth += 1,
                "}" if depth == 0 => return,
                "}" => depth -= 1,
                _ => {}
            }
            self.step();
        }
    }

    fn peek(&self) -> Option<&'a Token> {
        self.directive.tokens.get(self.at)
    }

    /// The next token, if it is on the current one's line.
    fn same_line(&self) -> Option<&'a Token> {
        let next = self.peek()?;
        self.token().is_some_and(|now| now.shares_line(next)).then_some(next)
    }

    fn step(&mut self) {
        self.left_inner = false;
        self.at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::scan;
    use super::*;

    fn directive(text: &str) -> Directive {
        Directive { name: "log".into(), tokens: scan("F", text).tokens }
    }

    /// Walks like a set-up that knows blocks inside blocks.
    fn walk(text: &str) -> Result<String, ConfigError> {
        let directive = directive(text);
        let mut args = Args::new(&directive);
        let mut out = String::new();
        while args.next() {
            out += &format!("{}({})", args.val(), args.remaining().join(","));
            while args.next_block()? {
                let inner = args.val();
                out += &format!("[{inner}({})", args.remaining().join(","));
                while inner == "rotate" && args.next_block()? {
                    out += &format!("<{}({})>", args.val(), args.remaining().join(","));
                }
                out += "]";
            }
            out += ";";
        }
        args.finish().map(|_| out)
    }

    #[test]
    fn walks_runs_blocks_and_inner_blocks() {
        let cases = [
            ("log", "log();"),
            ("log a b\nlog c", "log(a,b);log(c);"),
            ("log {\n}", "log();"),
            ("log a {\n x 1 2\n y\n}\nlog", "log(a)[x(1,2)][y()];log();"),
            (
                "log {\nrotate {\n size 1\n age 2\n}\nz 3\n}\nlog b",
                "log()[rotate()<size(1)><age(2)>][z(3)];log(b);",
            ),
            ("log {\nrotate {\n}\nz\n}", "log()[rotate()][z()];"),
            ("log { x 1 }\nlog b", "log()[x(1)];log(b);"),
            ("log \"a\nb\" c", "log(a\nb,c);"),
        ];
        for (text, expected) in cases {
            assert_eq!(walk(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn refuses_braces_out_of_place() {
        let brace = "Unexpected token '{', expecting argument";
        for text in ["log a\n{\nx\n}", "log {\nx\n{\n}\n}", "log {\n{\n}\n}"] {
            assert_eq!(walk(text).unwrap_err().message, brace, "{text}");
        }
        let unknown_inner = walk("log {\nother {\n a\n}\nb\n}").unwrap_err();
        assert_eq!(unknown_inner.message, "Unexpected token 'b' in 'log'");
    }

    #[test]
    fn lines_and_single_arguments() {
        let directive = directive("log a\nb");
        let mut args = Args::new(&directive);
        assert!(args.next());
        assert_eq!(args.required().unwrap(), "a");
        let error = args.error_at(&directive.tokens[0].text, "x");
        assert_eq!((error.line, error.column), (1, 1));
        let error = args.required().unwrap_err().to_string();
        assert!(error.starts_with("F:1 - Parse error: Wrong argument count or"), "{error}");
        assert!(args.next() && args.val() == "b" && !args.next());
    }
}
