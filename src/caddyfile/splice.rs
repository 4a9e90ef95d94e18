//! The stream of tokens that the parser reads. `import` puts the tokens of a file or a snippet
//! where it stands, within bounds and without loops.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::import::{Env, expand, files, read, unset};
use super::lexer::scan;
use super::{ConfigError, Kind, Token};
use crate::limits::{CADDYFILE_IMPORTS, CADDYFILE_TOKENS};
use crate::warning::Warning;

/// Where a splice came from: the chain of parents shows a loop.
pub(super) struct Origin {
    parent: Option<usize>,
    /// The file's path or the snippet's `(name)`.
    id: String,
    /// What relative imports inside it resolve against.
    dir: PathBuf,
}

/// The tokens of a Caddyfile, those of its imports among them.
pub(super) struct Stream<'a> {
    tokens: Vec<Token>,
    /// Index of the token to read next.
    at: usize,
    origins: Vec<Origin>,
    snippets: HashMap<String, Vec<Token>>,
    env: Env<'a>,
    pub(super) warnings: Vec<Warning>,
    /// Of the words of imported files.
    pub(super) errors: Vec<ConfigError>,
    /// The files that were imported.
    pub(super) files: Vec<PathBuf>,
}

impl<'a> Stream<'a> {
    /// The tokens of the main file; relative imports in it resolve against `dir`.
    pub(super) fn new(tokens: Vec<Token>, dir: &Path, env: Env<'a>) -> Self {
        let main = Origin { parent: None, id: String::new(), dir: dir.to_owned() };
        Self {
            tokens,
            at: 0,
            origins: vec![main],
            snippets: HashMap::new(),
            env,
            warnings: Vec::new(),
            errors: Vec::new(),
            files: Vec::new(),
        }
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// Whether the token to read next is this one.
    pub(super) fn next_is(&self, text: &str) -> bool {
        self.peek().is_some_and(|token| token.text == text)
    }

    /// Reads a token.
    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned()?;
        self.at += 1;
        Some(token)
    }

    /// Reads a token and replaces environment variables in it.
    pub(super) fn next_expanded(&mut self) -> Option<Token> {
        let mut token = self.next()?;
        token.unset = unset(&token.text, self.env);
        token.text = expand(&token.text, self.env);
        Some(token)
    }

    /// Whether the token to read next begins a line.
    pub(super) fn at_line_start(&self) -> bool {
        match (self.at.checked_sub(1).and_then(|i| self.tokens.get(i)), self.peek()) {
            (Some(before), Some(next)) => !before.shares_line(next),
            _ => true,
        }
    }

    /// The tokens that are next and stand on one line.
    pub(super) fn line(&self) -> &[Token] {
        let rest = self.tokens.get(self.at..).unwrap_or_default();
        let ends = rest.windows(2).position(|two| !two[0].shares_line(&two[1]));
        &rest[..ends.map_or(rest.len(), |last| last + 1)]
    }

    /// Whether an `import` is next.
    pub(super) fn is_at_import(&self) -> bool {
        self.next_is("import") && self.at_line_start()
    }

    /// The last token of all.
    pub(super) fn last(&self) -> Option<&Token> {
        self.tokens.last()
    }

    /// An error at the last token read, where there is nothing more to point at.
    pub(super) fn error_behind(&self, kind: Kind, message: impl Into<String>) -> ConfigError {
        let last = self.tokens.get(self.at.saturating_sub(1)).or_else(|| self.tokens.last());
        match last {
            Some(token) => ConfigError::at(token, kind, message),
            None => ConfigError::nowhere(kind, message),
        }
    }

    /// Replaces `import X`, which is next, by the tokens it means.
    pub(super) fn import(&mut self) -> Result<(), ConfigError> {
        let word = self.tokens[self.at].clone();
        let mut arguments = 0;
        while let (Some(last), Some(next)) =
            (self.tokens.get(self.at + arguments), self.tokens.get(self.at + arguments + 1))
        {
            if !last.shares_line(next) {
                break;
            }
            arguments += 1;
        }
        let fail = |token: &Token, message: String| ConfigError::at(token, Kind::Parse, message);
        if arguments == 0 {
            let message = "Wrong argument count or unexpected line ending after 'import'";
            return Err(fail(&word, message.to_owned()).hint("write `import FILE`"));
        }
        if arguments > 1 {
            let message = "Import takes only one argument (glob pattern or file)";
            return Err(fail(&self.tokens[self.at + 2], message.to_owned()).hint(
                "write one `import` line per file; a snippet takes no arguments; quote a \
                     name that has spaces",
            ));
        }
        let argument = self.tokens[self.at + 1].clone();
        let pattern = expand(&argument.text, self.env);
        if pattern.is_empty() {
            let error = fail(&argument, "Import requires a non-empty filepath".to_owned());
            return Err(error.hint(match unset(&argument.text, self.env) {
                Some(name) => format!("the environment variable {name} is not set"),
                None => "write `import FILE`".to_owned(),
            }));
        }
        let spliced = self.called_for(&argument, &pattern)?;
        if self.tokens.len() + spliced.len() > CADDYFILE_TOKENS
            || self.origins.len() > CADDYFILE_IMPORTS
        {
            return Err(fail(&argument, format!("Could not import {pattern}: too many imports"))
                .hint("files or snippets that import others repeatedly multiply"));
        }
        self.tokens.splice(self.at..self.at + 2, spliced);
        Ok(())
    }

    /// Keeps the body of `(name) { … }`, whose brace has been read, for later imports.
    pub(super) fn snippet(
        &mut self,
        name: &str,
        token: &Token,
        has_braces: bool,
    ) -> Result<(), ConfigError> {
        let fail = |message: String| ConfigError::at(token, Kind::Parse, message);
        if !has_braces {
            return Err(fail(format!("snippet {name} must have braces"))
                .hint(format!("write `({name}) {{`, its lines, and `}}`")));
        }
        let start = self.at;
        let mut depth = 1usize;
        while depth > 0 {
            match self.peek().map(|t| t.text.as_str()) {
                None => {
                    return Err(fail("Unexpected EOF".to_owned())
                        .hint(format!("the snippet ({name}) is never closed; add `}}`")));
                }
                Some("{") => depth += 1,
                Some("}") => depth -= 1,
                Some(_) => {}
            }
            self.at += 1;
        }
        let body = self.tokens[start..self.at - 1].to_vec();
        if self.snippets.insert(name.to_owned(), body).is_some() {
            return Err(fail(format!("redeclaration of previously declared snippet {name}"))
                .hint("give one of them another name"));
        }
        Ok(())
    }

    fn called_for(&mut self, argument: &Token, pattern: &str) -> Result<Vec<Token>, ConfigError> {
        if let Some(body) = self.snippets.get(pattern) {
            let mut body = body.clone();
            let home = body.first().map_or(0, |t| t.origin);
            let dir = self.origins[home].dir.clone();
            let origin = self.enter(argument, format!("({pattern})"), dir)?;
            body.iter_mut().for_each(|t| t.origin = origin);
            return Ok(body);
        }
        let fail = |message: String| ConfigError::at(argument, Kind::Parse, message);
        let dir = self.origins[argument.origin].dir.clone();
        let found = files(pattern, &dir).map_err(|message| {
            fail(message).hint(format!("relative names are taken from {}", dir.display()))
        })?;
        if found.is_empty() {
            let message = format!("No files matching import pattern: {pattern}");
            self.warnings.push(fail(message).warning());
        }
        let mut spliced = Vec::new();
        for path in found {
            let path = std::path::absolute(&path).unwrap_or(path);
            let text = read(&path).map_err(|message| {
                fail(message).hint("it must be a readable file of UTF-8 text")
            })?;
            self.files.push(path.clone());
            let real = path.canonicalize().unwrap_or_else(|_| path.clone());
            let home = path.parent().unwrap_or(&dir).to_owned();
            let origin = self.enter(argument, real.display().to_string(), home)?;
            let mut lexed = scan(&path.display().to_string(), &text);
            self.errors.append(&mut lexed.errors);
            let mut tokens = lexed.tokens;
            tokens.iter_mut().for_each(|t| t.origin = origin);
            spliced.extend(tokens);
        }
        Ok(spliced)
    }

    /// A new origin below the importing token's, unless `id` is already above it.
    fn enter(&mut self, by: &Token, id: String, dir: PathBuf) -> Result<usize, ConfigError> {
        let mut above = Some(by.origin);
        while let Some(index) = above {
            let origin = &self.origins[index];
            if origin.id == id {
                let message = format!("Could not import {}: import loop", by.text);
                return Err(ConfigError::at(by, Kind::Parse, message)
                    .hint(format!("{id} imports itself, directly or through others")));
            }
            above = origin.parent;
        }
        self.origins.push(Origin { parent: Some(by.origin), id, dir });
        Ok(self.origins.len() - 1)
    }
}
