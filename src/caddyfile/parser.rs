//! Parses tokens into blocks: addresses, then their directives. The stream of tokens replaces an
//! import by what it names; see `splice.rs`. After an error it goes on with the next directive or
//! block, so that one reading finds all errors, and what follows from one of them is no other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::import::Env;
use super::lexer::{Lexed, scan};
use super::splice::Stream;
use super::{ConfigError, Kind, Token, advice};
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
    /// In order of first appearance; those that are wrong are left out.
    pub directives: Vec<Directive>,
    /// Whether something was wrong and left out.
    pub is_broken: bool,
}

/// A Caddyfile.
#[derive(Debug)]
pub struct Parsed {
    pub blocks: Vec<ServerBlock>,
    pub errors: Vec<ConfigError>,
    pub warnings: Vec<Warning>,
    /// The files that were imported.
    pub files: Vec<PathBuf>,
}

impl Parsed {
    /// It, if nothing is wrong.
    #[cfg(any(test, fuzzing))]
    pub fn whole(mut self) -> Result<Self, ConfigError> {
        if self.errors.is_empty() { Ok(self) } else { Err(self.errors.swap_remove(0)) }
    }
}

/// Parses `text`, whose name in messages is `name` and whose relative imports resolve against
/// `dir`. `known` are the directive names, for "Unknown directive" and its nearest match.
pub fn read(name: &str, text: &str, dir: &Path, known: &[&str]) -> Parsed {
    // A value that is not Unicode cannot stand in a Caddyfile, which is.
    let env = |variable: &str| {
        std::env::var_os(variable).map(|value| value.to_string_lossy().into_owned())
    };
    read_with(scan(name, text), dir, known, &env)
}

/// [`read`] of a text in which nothing is wrong.
#[cfg(any(test, fuzzing))]
pub fn parse(name: &str, text: &str, dir: &Path, known: &[&str]) -> Result<Parsed, ConfigError> {
    read(name, text, dir, known).whole()
}

pub(super) fn read_with(lexed: Lexed, dir: &Path, known: &[&str], env: Env<'_>) -> Parsed {
    let Lexed { tokens, errors, is_cut } = lexed;
    let stream = Stream::new(tokens, dir, env);
    let (seen, lacks_brace) = (HashMap::new(), false);
    let mut parser = Parser { stream, known, seen, is_cut, lacks_brace, errors };
    let mut blocks = Vec::new();
    while parser.stream.peek().is_some() {
        blocks.extend(parser.block());
    }
    let Parser { stream: Stream { warnings, files, .. }, errors, .. } = parser;
    Parsed { blocks, errors, warnings, files }
}

struct Parser<'a> {
    stream: Stream<'a>,
    known: &'a [&'a str],
    /// Addresses met so far, lower-case, and where.
    seen: HashMap<String, String>,
    /// The end is missing, so that what is not closed is no error.
    is_cut: bool,
    /// A block was not closed, so that a `}` too many may be its own.
    lacks_brace: bool,
    errors: Vec<ConfigError>,
}

impl Parser<'_> {
    /// One block; `None` for a snippet and for a block that has no address.
    fn block(&mut self) -> Option<ServerBlock> {
        let before = self.errors.len();
        let keys = self.addresses();
        let open = if self.stream.next_is("{") { self.stream.next() } else { None };
        if let [key] = keys.as_slice()
            && let Some(name) = key.text.strip_prefix('(').and_then(|t| t.strip_suffix(')'))
        {
            if let Err(error) = self.stream.snippet(name, &key.token, open.is_some()) {
                self.errors.push(error);
                if open.is_none() {
                    self.directives(None);
                }
            }
            return None;
        }
        if let Some(error) = self.misplaced(&keys, open.is_some()) {
            self.errors.push(error);
            let before = self.errors.len();
            self.directives(open.as_ref());
            // What stands in the block of a directive is no directive.
            self.errors.truncate(if open.is_some() { before } else { self.errors.len() });
            return None;
        }
        keys.iter().for_each(|key| self.note_address(key));
        let directives = self.directives(open.as_ref());
        if keys.is_empty() {
            if let (Some(open), false) = (open, directives.is_empty()) {
                let message = "this block has no site address and is left out";
                self.stream.warnings.push(ConfigError::at(&open, Kind::Parse, message).warning());
            }
            return None;
        }
        Some(ServerBlock { keys, directives, is_broken: self.errors.len() > before })
    }

    /// The error of a directive that stands where the address of a site is due. A host may have the
    /// name of one, so that a single word is an address.
    fn misplaced(&mut self, keys: &[Key], is_block: bool) -> Option<ConfigError> {
        let (first, rest) = keys.split_first()?;
        let name = &first.text;
        let is_list = first.token.text.ends_with(',');
        if is_list || !self.known.contains(&name.as_str()) {
            return None;
        }
        let error = |message: String| ConfigError::at(&first.token, Kind::Parse, message);
        let hint = "write the address in the line before it, such as: localhost:8080";
        if rest.is_empty() {
            if !is_block {
                let message = format!("the directive '{name}' is read as the address of a site");
                self.stream.warnings.push(error(message).hint(hint).warning());
            }
            return None;
        }
        let message = format!("'{name}' is a directive, but a site address is expected here");
        Some(error(message).hint(hint))
    }

    /// The addresses, up to a `{` or the end of their line.
    fn addresses(&mut self) -> Vec<Key> {
        let mut keys = Vec::new();
        let mut wants_more = false;
        while let Some(token) = self.stream.peek() {
            if self.stream.is_at_import() {
                self.import();
                continue;
            }
            if token.text == "{" {
                if wants_more {
                    let message = "Expected another address but had '{' - check for extra comma";
                    let error = ConfigError::at(token, Kind::Parse, message);
                    self.errors.push(error.hint("remove the comma behind the last address"));
                }
                return keys;
            }
            let Some(token) = self.stream.next_expanded() else { break };
            if keys.is_empty() && (token.text == "}" || advice::is_comment(&token.text)) {
                self.no_address(&token);
                continue;
            }
            self.note_unset(&token);
            if !token.text.is_empty() {
                let address = token.text.strip_suffix(',');
                wants_more = address.is_some();
                keys.push(Key { text: address.unwrap_or(&token.text).to_owned(), token });
            }
            if !wants_more && self.stream.at_line_start() {
                return keys;
            }
        }
        if wants_more && !self.is_cut {
            let error = self.stream.error_behind(Kind::Parse, "Unexpected EOF");
            self.errors.push(error.hint("remove the comma, or write another address after it"));
        }
        keys
    }

    /// A `}` or a comment of another language where an address is due.
    fn no_address(&mut self, token: &Token) {
        if advice::is_comment(&token.text) {
            let message = format!("'{}' is no site address", token.text);
            let error = ConfigError::at(token, Kind::Parse, message);
            self.errors.push(error.hint(advice::COMMENT));
            while !self.stream.at_line_start() {
                self.stream.next();
            }
        } else if !std::mem::take(&mut self.lacks_brace) {
            let message = "Unexpected '}' because no matching opening brace";
            let error = ConfigError::at(token, Kind::Parse, message);
            self.errors.push(error.hint("remove it; the block above is closed already"));
        }
    }

    /// Where a variable that is not set is a part of the address, a site is not where it is
    /// looked for.
    fn note_unset(&mut self, token: &Token) {
        let Some(name) = token.unset() else { return };
        let message = match &*token.text {
            "" => {
                format!("the environment variable {name} is not set, so nothing is inserted here")
            }
            text => format!("the environment variable {name} is not set: the address is '{text}'"),
        };
        let hint = "set it where the server is started";
        self.stream
            .warnings
            .push(ConfigError::at(token, Kind::Parse, message).hint(hint).warning());
    }

    fn note_address(&mut self, key: &Key) {
        let here = format!("{}:{}", key.token.file, key.token.line);
        if let Some(first) = self.seen.insert(key.text.to_lowercase(), here) {
            let message = format!("duplicate site address: {}", key.text);
            let error = ConfigError::at(&key.token, Kind::Parse, message);
            self.errors
                .push(error.hint(format!("it is first at {first}; put both into one block")));
        }
    }

    /// Replaces the import that is next, or passes over its line.
    fn import(&mut self) {
        if let Err(error) = self.stream.import() {
            self.errors.push(error);
            self.stream.next();
            while !self.stream.at_line_start() {
                self.stream.next();
            }
        }
        self.errors.append(&mut self.stream.errors);
    }

    /// The directives, up to the `}` that ends the block or, where no brace opened it, to the
    /// end or a stray `}`.
    fn directives(&mut self, open: Option<&Token>) -> Vec<Directive> {
        let mut directives: Vec<Directive> = Vec::new();
        while let Some(token) = self.stream.peek() {
            if token.text == "}" {
                self.stream.next();
                return directives;
            }
            if self.stream.is_at_import() {
                self.import();
                continue;
            }
            if let Some(open) = open.filter(|_| self.begins_site()) {
                let error = advice::unclosed(token, open);
                self.errors.push(error);
                self.lacks_brace = true;
                return directives;
            }
            let Some(tokens) = self.directive() else { continue };
            let name = tokens.first().map(|t| t.text.clone()).unwrap_or_default();
            match directives.iter_mut().find(|d| d.name == name) {
                Some(same) => same.tokens.extend(tokens),
                None => directives.push(Directive { name, tokens }),
            }
        }
        if let Some(open) = open {
            self.forgive_missing_brace(open);
        }
        directives
    }

    /// Whether another site's address and its `{` stand where a directive is due.
    fn begins_site(&self) -> bool {
        let is_unknown = |token: &Token| !self.known.contains(&&*token.text);
        let line = self.stream.line();
        line.first().is_some_and(|first| is_unknown(first) && advice::is_address(&first.text))
            && line.last().is_some_and(|last| last.text == "{")
    }

    /// v1 took the `}` of an inner block at the end of the file for the site's own.
    fn forgive_missing_brace(&mut self, open: &Token) {
        let last = self.stream.last().unwrap_or(open);
        if last.text == "}" {
            let message = "the block opened here has no closing '}'";
            let hint = "add one at the end of the file";
            let error = ConfigError::at(open, Kind::Parse, message).hint(hint);
            self.stream.warnings.push(error.warning());
        } else if !self.is_cut {
            let message = format!("Unexpected token '{}', expecting '}}'", last.text);
            let error = ConfigError::at(last, Kind::Syntax, message).hint(format!(
                "the block opened at {}:{} is never closed; add a line that holds only `}}`",
                open.file, open.line
            ));
            self.errors.push(error);
        }
    }

    /// One run of a directive: its name and all that belongs to it; `None` where it is wrong.
    fn directive(&mut self) -> Option<Vec<Token>> {
        let name = self.stream.next_expanded()?;
        let before = self.errors.len();
        let unknown = advice::unknown(&name, self.known);
        let run = self.run(name);
        // What is wrong in the block of a word that is unknown may follow from that.
        let Some(error) = unknown else { return run.filter(|_| self.errors.len() == before) };
        self.errors.truncate(before);
        self.errors.push(error);
        None
    }

    fn run(&mut self, name: Token) -> Option<Vec<Token>> {
        let mut run = vec![name];
        let mut nesting = 0usize;
        while let Some(token) = self.stream.peek() {
            match token.text.as_str() {
                "{" => nesting += 1,
                _ if nesting == 0 && self.stream.at_line_start() => break,
                "}" if nesting == 0 => {
                    let message = "Unexpected '}' because no matching opening brace";
                    let error = ConfigError::at(token, Kind::Parse, message);
                    let hint = "put the `}` that ends the site's block on a line of its own";
                    self.errors.push(error.hint(hint));
                    return None;
                }
                "}" => nesting -= 1,
                "import" if self.stream.at_line_start() => {
                    self.import();
                    continue;
                }
                _ => {}
            }
            run.extend(self.stream.next_expanded());
        }
        if nesting > 0 {
            if !self.is_cut {
                let error = self.stream.error_behind(Kind::Parse, "Unexpected EOF");
                self.errors.push(error.hint(format!(
                    "the block of `{}` at line {} is never closed; add a line that holds only `}}`",
                    run[0].text, run[0].line
                )));
            }
            // The site's own block is open too.
            self.is_cut = true;
            return None;
        }
        Some(run)
    }
}
