//! Tokens to blocks: addresses, then what is said of them. Imports and snippets are spliced
//! into the tokens as they are met; see `splice.rs`.
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::import::{Env, expand};
use super::lexer::lex;
use super::reserved::is_reserved;
use super::splice::Origin;
use super::{ConfigError, Kind, Token, nearest};
use crate::warning::Warning;

/// One site address as written, after environment substitution.
#[derive(Debug, Clone)]
pub struct Key {
    pub text: String,
    pub token: Token,
}

/// All tokens of one directive in one block: its name, arguments, braces and body. Where the
/// word is written several times, its runs follow one another.
#[derive(Debug, Clone)]
pub struct Directive {
    pub name: String,
    pub tokens: Vec<Token>,
}

/// Addresses and what is said of them.
#[derive(Debug, Clone)]
pub struct ServerBlock {
    pub keys: Vec<Key>,
    /// In order of first appearance.
    pub directives: Vec<Directive>,
}

/// A Caddyfile.
#[derive(Debug)]
pub struct Parsed {
    pub blocks: Vec<ServerBlock>,
    pub warnings: Vec<Warning>,
    /// The files that were imported.
    pub files: Vec<PathBuf>,
}

/// Parses `text`, whose name in messages is `name` and whose relative imports resolve against
/// `dir`. `known` are the directive names, for "Unknown directive" and its nearest match.
pub fn parse(name: &str, text: &str, dir: &Path, known: &[&str]) -> Result<Parsed, ConfigError> {
    // A value that is not Unicode cannot stand in a Caddyfile, which is.
    let env = |variable: &str| {
        std::env::var_os(variable).map(|value| value.to_string_lossy().into_owned())
    };
    parse_with(lex(name, text)?, dir, known, &env)
}

pub(super) fn parse_with(
    tokens: Vec<Token>,
    dir: &Path,
    known: &[&str],
    env: Env<'_>,
) -> Result<Parsed, ConfigError> {
    let mut parser = Parser {
        tokens,
        at: 0,
        origins: vec![Origin::main(dir)],
        snippets: HashMap::new(),
        known,
        env,
        warnings: Vec::new(),
        files: Vec::new(),
        seen: HashMap::new(),
    };
    let mut blocks = Vec::new();
    while parser.peek().is_some() {
        if let Some(block) = parser.block()? {
            blocks.push(block);
        }
    }
    Ok(Parsed { blocks, warnings: parser.warnings, files: parser.files })
}

pub(super) struct Parser<'a> {
    pub(super) tokens: Vec<Token>,
    /// Index of the token to read next.
    pub(super) at: usize,
    pub(super) origins: Vec<Origin>,
    pub(super) snippets: HashMap<String, Vec<Token>>,
    known: &'a [&'a str],
    pub(super) env: Env<'a>,
    pub(super) warnings: Vec<Warning>,
    pub(super) files: Vec<PathBuf>,
    /// Addresses met so far, lower-case, and where.
    seen: HashMap<String, String>,
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// Whether the token to read next begins a line.
    fn at_line_start(&self) -> bool {
        match (self.at.checked_sub(1).and_then(|i| self.tokens.get(i)), self.peek()) {
            (Some(before), Some(next)) => !before.shares_line(next),
            _ => true,
        }
    }

    fn next_is(&self, text: &str) -> bool {
        self.peek().is_some_and(|t| t.text == text)
    }

    /// An error at the last token read, where there is nothing more to point at.
    pub(super) fn error_behind(&self, kind: Kind, message: impl Into<String>) -> ConfigError {
        let last = self.tokens.get(self.at.saturating_sub(1)).or_else(|| self.tokens.last());
        match last {
            Some(token) => ConfigError::at(token, kind, message),
            None => ConfigError {
                kind,
                file: "".into(),
                line: 1,
                column: 1,
                source_line: None,
                message: message.into(),
                hint: None,
            },
        }
    }

    /// One block; `None` for a snippet and for a block that has no address.
    fn block(&mut self) -> Result<Option<ServerBlock>, ConfigError> {
        let keys = self.addresses()?;
        let open = self.next_is("{").then(|| self.tokens[self.at].clone());
        if open.is_some() {
            self.at += 1;
        }
        if let [key] = keys.as_slice()
            && let Some(name) = key.text.strip_prefix('(').and_then(|t| t.strip_suffix(')'))
        {
            return self.snippet(name, &key.token, open.is_some()).map(|()| None);
        }
        for key in &keys {
            self.note_address(key)?;
        }
        let directives = self.directives(open.as_ref())?;
        if keys.is_empty() {
            if let (Some(open), false) = (open, directives.is_empty()) {
                let message = "this block has no site address and is left out";
                self.warnings.push(ConfigError::at(&open, Kind::Parse, message).warning());
            }
            return Ok(None);
        }
        Ok(Some(ServerBlock { keys, directives }))
    }

    /// The addresses, up to a `{` or the end of their line.
    fn addresses(&mut self) -> Result<Vec<Key>, ConfigError> {
        let mut keys = Vec::new();
        let mut wants_more = false;
        while let Some(token) = self.peek() {
            if token.text == "import" && self.at_line_start() {
                self.import()?;
                continue;
            }
            if token.text == "{" {
                if wants_more {
                    let message = "Expected another address but had '{' - check for extra comma";
                    return Err(ConfigError::at(token, Kind::Parse, message)
                        .hint("remove the comma behind the last address"));
                }
                return Ok(keys);
            }
            let token = token.clone();
            self.at += 1;
            let text = expand(&token.text, self.env);
            if !text.is_empty() {
                let address = text.strip_suffix(',');
                wants_more = address.is_some();
                keys.push(Key { text: address.unwrap_or(&text).to_owned(), token });
            }
            if !wants_more && self.at_line_start() {
                return Ok(keys);
            }
        }
        if wants_more {
            return Err(self
                .error_behind(Kind::Parse, "Unexpected EOF")
                .hint("a comma says that another address follows; remove it or add one"));
        }
        Ok(keys)
    }

    fn note_address(&mut self, key: &Key) -> Result<(), ConfigError> {
        let here = format!("{}:{}", key.token.file, key.token.line);
        match self.seen.insert(key.text.to_lowercase(), here) {
            None => Ok(()),
            Some(first) => {
                let message = format!("duplicate site address: {}", key.text);
                Err(ConfigError::at(&key.token, Kind::Parse, message)
                    .hint(format!("it is first at {first}; put both into one block")))
            }
        }
    }

    /// The directives, up to the `}` that ends the block or, where no brace opened it, to the
    /// end or a stray `}`.
    fn directives(&mut self, open: Option<&Token>) -> Result<Vec<Directive>, ConfigError> {
        let mut directives: Vec<Directive> = Vec::new();
        while let Some(token) = self.peek() {
            if token.text == "}" {
                self.at += 1;
                return Ok(directives);
            }
            if token.text == "import" && self.at_line_start() {
                self.import()?;
                continue;
            }
            let tokens = self.directive(open)?;
            let name = tokens.first().map(|t| t.text.clone()).unwrap_or_default();
            match directives.iter_mut().find(|d| d.name == name) {
                Some(same) => same.tokens.extend(tokens),
                None => directives.push(Directive { name, tokens }),
            }
        }
        if let Some(open) = open {
            self.forgive_missing_brace(open)?;
        }
        Ok(directives)
    }

    /// v1 took the `}` of an inner block at the end of the file for the site's own.
    fn forgive_missing_brace(&mut self, open: &Token) -> Result<(), ConfigError> {
        let last = self.tokens.last().unwrap_or(open);
        if last.text == "}" {
            let message = "the block opened here has no closing '}'";
            let hint = "add one at the end of the file";
            let error = ConfigError::at(open, Kind::Parse, message).hint(hint);
            self.warnings.push(error.warning());
            return Ok(());
        }
        let message = format!("Unexpected token '{}', expecting '}}'", last.text);
        Err(ConfigError::at(last, Kind::Syntax, message).hint(format!(
            "the block opened at {}:{} is never closed; add a line that holds only `}}`",
            open.file, open.line
        )))
    }

    /// One run of a directive: its name and all that belongs to it.
    fn directive(&mut self, open: Option<&Token>) -> Result<Vec<Token>, ConfigError> {
        let mut name = self.tokens[self.at].clone();
        name.text = expand(&name.text, self.env);
        self.check_name(&name, open)?;
        self.at += 1;
        let mut run = vec![name];
        let mut nesting = 0usize;
        while let Some(token) = self.peek() {
            match token.text.as_str() {
                "{" => nesting += 1,
                _ if nesting == 0 && self.at_line_start() => break,
                "}" if nesting == 0 => {
                    let message = "Unexpected '}' because no matching opening brace";
                    return Err(ConfigError::at(token, Kind::Parse, message)
                        .hint("put the `}` that ends the site's block on a line of its own"));
                }
                "}" => nesting -= 1,
                "import" if self.at_line_start() => {
                    self.import()?;
                    continue;
                }
                _ => {}
            }
            let mut token = self.tokens[self.at].clone();
            self.at += 1;
            token.text = expand(&token.text, self.env);
            run.push(token);
        }
        if nesting > 0 {
            return Err(self.error_behind(Kind::Parse, "Unexpected EOF").hint(format!(
                "the block of `{}` at line {} is never closed; add a line that holds only `}}`",
                run[0].text, run[0].line
            )));
        }
        Ok(run)
    }

    fn check_name(&self, name: &Token, open: Option<&Token>) -> Result<(), ConfigError> {
        if self.known.contains(&name.text.as_str()) {
            return Ok(());
        }
        if is_reserved(&name.text) {
            let message = format!(
                "no action found for directive '{}' with server type 'http' (missing a plugin?)",
                name.text
            );
            return Err(ConfigError::at(name, Kind::Parse, message)
                .hint("Caddy or a plugin of it had this directive; this server has not"));
        }
        let error =
            ConfigError::at(name, Kind::Parse, format!("Unknown directive '{}'", name.text));
        Err(match (nearest::nearest(&name.text, self.known), open) {
            (Some(near), _) => error.hint(format!("did you mean `{near}`?")),
            (None, Some(open)) if name.text.contains(['.', ':']) => error.hint(format!(
                "if this is a new site's address, the block opened at {}:{} lacks its `}}`",
                open.file, open.line
            )),
            (None, _) => error.hint(format!("the directives are: {}", self.known.join(", "))),
        })
    }
}
