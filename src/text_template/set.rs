//! Templates that can call one another by name.

use std::collections::HashMap;

use super::ast::Body;
use super::builtins;
use super::error::Error;
use super::lexer::{Delimiters, Wrong};
use super::parser;

/// Templates by name. A template that is added replaces the one of its name, also those that it
/// defines.
#[derive(Clone, Default)]
pub struct Set {
    bodies: HashMap<String, Body>,
}

impl Set {
    /// Parses a template between `{{` and `}}`, and adds it.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), Error> {
        self.add_between(name, text, ["{{", "}}"])
    }

    /// [`Self::add`] with other delimiters.
    pub fn add_between(
        &mut self,
        name: &str,
        text: &str,
        delimiters: [&str; 2],
    ) -> Result<(), Error> {
        let [left, right] = delimiters;
        let marks = Delimiters { left, right };
        let parsed =
            parser::parse(text, marks, &builtins::has).map_err(|Wrong { line, message }| {
                Error { template: name.to_owned(), line, message }
            })?;
        self.bodies.insert(name.to_owned(), parsed.body);
        self.bodies.extend(parsed.defined);
        Ok(())
    }

    /// Whether there is a template of this name.
    pub fn has(&self, name: &str) -> bool {
        self.bodies.contains_key(name)
    }

    pub(super) fn body(&self, name: &str) -> Option<&Body> {
        self.bodies.get(name)
    }
}
