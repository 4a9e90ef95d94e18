//! `import`: files by glob pattern, and snippets. Finds loops.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::environment::{self, Lookup};
use super::error::{ConfigError, Kind};
use super::lexer::{self, Token};

/// Where tokens came from, and what is known for later imports.
#[derive(Debug)]
pub(super) struct Imports {
    texts: Vec<Text>,
    snippets: HashMap<String, Vec<Token>>,
    pub(super) warnings: Vec<String>,
}

/// One text that tokens were read from.
#[derive(Debug)]
struct Text {
    source: Option<Arc<str>>,
    name: String,
    /// Relative imports in it resolve against this.
    dir: PathBuf,
    /// The text whose `import` brought it in.
    parent: Option<usize>,
}

impl Imports {
    /// `first` is any token of the Caddyfile itself.
    pub(super) fn new(name: &str, dir: &Path, first: Option<&Token>) -> Self {
        let source = first.map(|token| token.source.clone());
        let root = Text { source, name: name.to_owned(), dir: dir.to_owned(), parent: None };
        Self { texts: vec![root], snippets: HashMap::new(), warnings: Vec::new() }
    }

    /// Keeps a snippet's body.
    pub(super) fn define(
        &mut self,
        name: &str,
        key: &Token,
        body: Vec<Token>,
    ) -> Result<(), ConfigError> {
        if self.snippets.insert(name.to_owned(), body).is_some() {
            let message = format!("redeclaration of previously declared snippet {name}");
            return Err(
                ConfigError::at(key, Kind::Parse, message).hint("give one of the two another name")
            );
        }
        Ok(())
    }

    /// The tokens that stand in place of `import ARGS`.
    pub(super) fn resolve(
        &mut self,
        word: &Token,
        args: &[Token],
        env: Lookup<'_>,
    ) -> Result<Vec<Token>, ConfigError> {
        let fail = |message: String| ConfigError::at(word, Kind::Parse, message);
        let [arg] = args else {
            return Err(if args.is_empty() {
                fail("Import requires a non-empty filepath".to_owned())
                    .hint("write: import FILE, or: import SNIPPET")
            } else {
                fail("Import takes only one argument (glob pattern or file)".to_owned())
                    .hint("write one import line per file, or quote a name with spaces")
            });
        };
        let pattern = environment::expand(&arg.text, env);
        if pattern.is_empty() {
            return Err(fail("Import requires a non-empty filepath".to_owned())
                .hint("the name is empty; is its environment variable set?"));
        }
        let parent = self.text_of(word);
        if let Some(body) = self.snippets.get(&pattern).cloned() {
            let dir = self.texts[parent].dir.clone();
            self.enter(word, format!("({pattern})"), dir)?;
            return Ok(self.relabelled(body));
        }
        let mut tokens = Vec::new();
        for path in self.files(&pattern, parent).map_err(fail)? {
            tokens.append(&mut self.file(word, &path)?);
        }
        Ok(tokens)
    }

    fn files(&mut self, pattern: &str, parent: usize) -> Result<Vec<PathBuf>, String> {
        if pattern.matches('*').count() > 1 {
            return Err(format!(
                "Glob pattern may only contain one wildcard (*), but has others: {pattern}"
            ));
        }
        let full = self.texts[parent].dir.join(pattern);
        let paths = glob::glob(&full.to_string_lossy())
            .map_err(|error| format!("Failed to use import pattern {pattern}: {error}"))?;
        let paths: Vec<PathBuf> = paths.filter_map(Result::ok).collect();
        if paths.is_empty() {
            if !pattern.contains('*') {
                return Err(format!("File to import not found: {pattern}"));
            }
            self.warnings.push(format!("No files matching import pattern: {pattern}"));
        }
        Ok(paths)
    }

    fn file(&mut self, word: &Token, path: &Path) -> Result<Vec<Token>, ConfigError> {
        let shown = path.display();
        let fail = |why: String| {
            ConfigError::at(word, Kind::Parse, format!("Could not import {shown}: {why}"))
        };
        if path.is_dir() {
            return Err(fail("is a directory".to_owned())
                .hint(format!("to import all files in it write: import {shown}/*")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        let tokens = lexer::tokens(&path.to_string_lossy(), &text)?;
        let dir = path.parent().unwrap_or_else(|| Path::new(".")).to_owned();
        self.enter(word, path.to_string_lossy().into_owned(), dir)?;
        if let Some(text) = self.texts.last_mut() {
            text.source = tokens.first().map(|token| token.source.clone());
        }
        Ok(tokens)
    }

    /// Notes a new text, unless it is being imported already.
    fn enter(&mut self, word: &Token, name: String, dir: PathBuf) -> Result<(), ConfigError> {
        let parent = self.text_of(word);
        let mut ancestor = Some(parent);
        while let Some(text) = ancestor.map(|at| &self.texts[at]) {
            if text.name == name {
                let message = format!("Import loop: {name} imports itself");
                return Err(ConfigError::at(word, Kind::Parse, message)
                    .hint("remove this import, or move what both need to a third file"));
            }
            ancestor = text.parent;
        }
        self.texts.push(Text { source: None, name, dir, parent: Some(parent) });
        Ok(())
    }

    /// A snippet's tokens as a text of their own, so that what stands around them, or another
    /// import of the same snippet, is never on their line.
    fn relabelled(&mut self, mut body: Vec<Token>) -> Vec<Token> {
        let Some(first) = body.first() else { return body };
        let source: Arc<str> = Arc::from(&*first.source);
        for token in &mut body {
            token.source = source.clone();
        }
        if let Some(text) = self.texts.last_mut() {
            text.source = Some(source);
        }
        body
    }

    fn text_of(&self, token: &Token) -> usize {
        let is_its =
            |text: &Text| text.source.as_ref().is_some_and(|s| Arc::ptr_eq(s, &token.source));
        self.texts.iter().rposition(is_its).unwrap_or(0)
    }
}
