//! Tokens to server blocks: addresses, directives, braces. Judges names, not arguments.

use std::path::Path;

use super::environment::{self, Lookup};
use super::error::{ConfigError, Kind};
use super::import::Imports;
use super::lexer::{self, Token};

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
#[derive(Debug, Clone, Default)]
pub struct ServerBlock {
    pub keys: Vec<Key>,
    /// In order of first appearance.
    pub directives: Vec<Directive>,
}

/// A Caddyfile.
#[derive(Debug, Default)]
pub struct Parsed {
    pub blocks: Vec<ServerBlock>,
    pub warnings: Vec<String>,
}

/// Parses `text`, whose name in messages is `name` and whose relative imports resolve against
/// `dir`. `known` are the directive names, for "Unknown directive" and its nearest match.
pub fn parse(name: &str, text: &str, dir: &Path, known: &[&str]) -> Result<Parsed, ConfigError> {
    parse_with(name, text, dir, (known, &environment::process))
}

/// [`parse`] with the environment handed in.
pub(super) fn parse_with(
    name: &str,
    text: &str,
    dir: &Path,
    (known, env): (&[&str], Lookup<'_>),
) -> Result<Parsed, ConfigError> {
    let tokens = lexer::tokens(name, text)?;
    let imports = Imports::new(name, dir, tokens.first());
    let mut parser = Parser { tokens, at: 0, known, env, imports, parsed: Parsed::default() };
    while parser.at < parser.tokens.len() {
        parser.block()?;
    }
    let mut parsed = parser.parsed;
    parsed.warnings.append(&mut parser.imports.warnings);
    Ok(parsed)
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    known: &'a [&'a str],
    env: Lookup<'a>,
    imports: Imports,
    parsed: Parsed,
}

impl Parser<'_> {
    fn block(&mut self) -> Result<(), ConfigError> {
        let mut block = ServerBlock::default();
        let brace = self.addresses(&mut block)?;
        if let [Key { text, token }] = block.keys.as_slice()
            && let Some(name) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'))
        {
            return self.snippet(name, &token.clone(), brace.is_some());
        }
        self.directives(&mut block, brace)?;
        if !block.keys.is_empty() || !block.directives.is_empty() {
            self.parsed.blocks.push(block);
        }
        Ok(())
    }

    /// Reads addresses up to the line's end or the block's `{`, which is returned.
    fn addresses(&mut self, block: &mut ServerBlock) -> Result<Option<Token>, ConfigError> {
        let mut another = false;
        while let Some(token) = self.tokens.get(self.at).cloned() {
            if token.text == "import" && self.begins_line() {
                self.import()?;
                continue;
            }
            if token.text == "{" {
                if another {
                    let message = "Expected another address but had '{' - check for extra comma";
                    return Err(ConfigError::at(&token, Kind::Parse, message)
                        .hint("remove the comma before the '{'"));
                }
                self.at += 1;
                return Ok(Some(token));
            }
            let text = environment::expand(&token.text, self.env);
            let address = text.strip_suffix(',');
            another = address.is_some();
            if !text.is_empty() {
                let text = address.unwrap_or(&text).to_owned();
                block.keys.push(Key { text, token: token.clone() });
            }
            self.at += 1;
            match self.tokens.get(self.at) {
                None if another => {
                    return Err(ConfigError::at(&token, Kind::Parse, "Unexpected EOF")
                        .hint("another address must follow the comma"));
                }
                None => return Ok(None),
                Some(next) if another || token.same_line(next) || next.text == "{" => {}
                Some(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Keeps a `(name) { … }` for later imports.
    fn snippet(&mut self, name: &str, key: &Token, braced: bool) -> Result<(), ConfigError> {
        if !braced {
            return Err(ConfigError::at(key, Kind::Parse, "snippet must have braces")
                .hint(format!("write ({name}) {{ … }}")));
        }
        let start = self.at;
        let mut nesting = 1;
        while let Some(token) = self.tokens.get(self.at) {
            nesting += usize::from(token.text == "{");
            nesting -= usize::from(token.text == "}");
            self.at += 1;
            if nesting == 0 {
                let body = self.tokens[start..self.at - 1].to_vec();
                return self.imports.define(name, key, body);
            }
        }
        Err(self.unclosed())
    }

    fn directives(
        &mut self,
        block: &mut ServerBlock,
        brace: Option<Token>,
    ) -> Result<(), ConfigError> {
        while let Some(token) = self.tokens.get(self.at) {
            if token.text == "}" {
                // It closes the block, or ends one that was opened without a brace.
                self.at += 1;
                return Ok(());
            }
            if token.text == "import" {
                self.import()?;
            } else {
                self.directive(block)?;
            }
        }
        let Some(brace) = brace else { return Ok(()) };
        // v1 did not notice when a nested block's brace happens to be the last word.
        if self.tokens.last().is_none_or(|last| last.text != "}") {
            return Err(self.unclosed());
        }
        let address = block.keys.first().map_or("", |key| key.text.as_str());
        self.parsed.warnings.push(format!(
            "{}:{} - the block of '{address}' that opens here is not closed; add a '}}' at the \
             end of the file",
            brace.file, brace.line
        ));
        Ok(())
    }

    /// One directive with everything up to a new line outside braces.
    fn directive(&mut self, block: &mut ServerBlock) -> Result<(), ConfigError> {
        let mut token = self.tokens[self.at].clone();
        let name = environment::expand(&token.text, self.env);
        if !self.known.contains(&name.as_str()) {
            let message = format!("Unknown directive '{name}'");
            let error = ConfigError::at(&token, Kind::Parse, message);
            return Err(error.hint(super::error::did_you_mean(&name, self.known)));
        }
        token.text.clone_from(&name);
        let mut run = vec![token];
        let mut nesting = 0_usize;
        self.at += 1;
        while let Some(token) = self.tokens.get(self.at) {
            let new_line = !self.tokens[self.at - 1].same_line(token);
            match token.text.as_str() {
                "{" => nesting += 1,
                _ if new_line && nesting == 0 => break,
                "}" if nesting == 0 => {
                    let message = "Unexpected '}' because no matching opening brace";
                    return Err(ConfigError::at(token, Kind::Parse, message)
                        .hint("a '}' that closes a site's block stands on a line of its own"));
                }
                "}" => nesting -= 1,
                "import" if new_line => {
                    self.import()?;
                    continue;
                }
                _ => {}
            }
            let mut token = token.clone();
            token.text = environment::expand(&token.text, self.env);
            run.push(token);
            self.at += 1;
        }
        if nesting > 0 {
            return Err(ConfigError::at(&run[0], Kind::Parse, "Unexpected EOF")
                .hint(format!("the block of '{name}' is not closed; add a '}}'")));
        }
        match block.directives.iter_mut().find(|one| one.name == name) {
            Some(directive) => directive.tokens.append(&mut run),
            None => block.directives.push(Directive { name, tokens: run }),
        }
        Ok(())
    }

    /// Puts what the `import` at the cursor names in its place.
    fn import(&mut self) -> Result<(), ConfigError> {
        let word = self.tokens[self.at].clone();
        let args = self.tokens[self.at + 1..]
            .iter()
            .scan(&word, |last, token| {
                let same = last.same_line(token) && token.text != "{";
                *last = token;
                same.then(|| token.clone())
            })
            .collect::<Vec<_>>();
        let found = self.imports.resolve(&word, &args, self.env)?;
        self.tokens.splice(self.at..=self.at + args.len(), found);
        Ok(())
    }

    fn begins_line(&self) -> bool {
        let Some(before) = self.at.checked_sub(1) else { return true };
        !self.tokens[before].same_line(&self.tokens[self.at])
    }

    fn unclosed(&self) -> ConfigError {
        let Some(last) = self.tokens.last() else { return ConfigError::nowhere("Unexpected EOF") };
        let message = format!("Unexpected token '{}', expecting '}}'", last.text);
        ConfigError::at(last, Kind::Syntax, message).hint("add a '}' that closes the block")
    }
}
