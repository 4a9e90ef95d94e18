//! Parses tokens into blocks: addresses, then their directives. The stream of tokens replaces an
//! import by what it names; see `splice.rs`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::import::Env;
use super::lexer::lex;
use super::reserved::is_reserved;
use super::splice::Stream;
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
    let stream = Stream::new(tokens, dir, env);
    let mut parser = Parser { stream, known, seen: HashMap::new() };
    let mut blocks = Vec::new();
    while parser.stream.peek().is_some() {
        if let Some(block) = parser.block()? {
            blocks.push(block);
        }
    }
    let Stream { warnings, files, .. } = parser.stream;
    Ok(Parsed { blocks, warnings, files })
}

struct Parser<'a> {
    stream: Stream<'a>,
    known: &'a [&'a str],
    /// Addresses met so far, lower-case, and where.
    seen: HashMap<String, String>,
}

impl Parser<'_> {
    /// One block; `None` for a snippet and for a block that has no address.
    fn block(&mut self) -> Result<Option<ServerBlock>, ConfigError> {
        let keys = self.addresses()?;
        let open = if self.stream.next_is("{") { self.stream.next() } else { None };
        if let [key] = keys.as_slice()
            && let Some(name) = key.text.strip_prefix('(').and_then(|t| t.strip_suffix(')'))
        {
            return self.stream.snippet(name, &key.token, open.is_some()).map(|()| None);
        }
        for key in &keys {
            self.note_address(key)?;
        }
        let directives = self.directives(open.as_ref())?;
        if keys.is_empty() {
            if let (Some(open), false) = (open, directives.is_empty()) {
                let message = "this block has no site address and is left out";
                self.stream.warnings.push(ConfigError::at(&open, Kind::Parse, message).warning());
            }
            return Ok(None);
        }
        Ok(Some(ServerBlock { keys, directives }))
    }

    /// The addresses, up to a `{` or the end of their line.
    fn addresses(&mut self) -> Result<Vec<Key>, ConfigError> {
        let mut keys = Vec::new();
        let mut wants_more = false;
        while let Some(token) = self.stream.peek() {
            if self.stream.is_at_import() {
                self.stream.import()?;
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
            let Some(token) = self.stream.next_expanded() else { break };
            if !token.text.is_empty() {
                let address = token.text.strip_suffix(',');
                wants_more = address.is_some();
                keys.push(Key { text: address.unwrap_or(&token.text).to_owned(), token });
            }
            if !wants_more && self.stream.at_line_start() {
                return Ok(keys);
            }
        }
        if wants_more {
            return Err(self
                .stream
                .error_behind(Kind::Parse, "Unexpected EOF")
                .hint("remove the comma, or write another address after it"));
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
        while let Some(token) = self.stream.peek() {
            if token.text == "}" {
                self.stream.next();
                return Ok(directives);
            }
            if self.stream.is_at_import() {
                self.stream.import()?;
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
        let last = self.stream.last().unwrap_or(open);
        if last.text == "}" {
            let message = "the block opened here has no closing '}'";
            let hint = "add one at the end of the file";
            let error = ConfigError::at(open, Kind::Parse, message).hint(hint);
            self.stream.warnings.push(error.warning());
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
        let Some(name) = self.stream.next_expanded() else { return Ok(Vec::new()) };
        self.check_name(&name, open)?;
        let mut run = vec![name];
        let mut nesting = 0usize;
        while let Some(token) = self.stream.peek() {
            match token.text.as_str() {
                "{" => nesting += 1,
                _ if nesting == 0 && self.stream.at_line_start() => break,
                "}" if nesting == 0 => {
                    let message = "Unexpected '}' because no matching opening brace";
                    return Err(ConfigError::at(token, Kind::Parse, message)
                        .hint("put the `}` that ends the site's block on a line of its own"));
                }
                "}" => nesting -= 1,
                "import" if self.stream.at_line_start() => {
                    self.stream.import()?;
                    continue;
                }
                _ => {}
            }
            run.extend(self.stream.next_expanded());
        }
        if nesting > 0 {
            return Err(self.stream.error_behind(Kind::Parse, "Unexpected EOF").hint(format!(
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
            return Err(ConfigError::at(name, Kind::Parse, message).hint(
                "Caddy or one of its plugins had this directive; this server does not have it",
            ));
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
