//! The variables of a template's execution.

use super::value::Value;

/// Variables, the innermost last. The first is `$`.
pub(super) struct Scope {
    variables: Vec<(String, Value)>,
}

impl Scope {
    pub(super) fn new(data: Value) -> Self {
        Self { variables: vec![(String::new(), data)] }
    }

    /// A mark for [`Self::leave`].
    pub(super) fn enter(&self) -> usize {
        self.variables.len()
    }

    pub(super) fn leave(&mut self, mark: usize) {
        self.variables.truncate(mark);
    }

    pub(super) fn declare(&mut self, name: &str, value: Value) {
        self.variables.push((name.to_owned(), value));
    }

    pub(super) fn assign(&mut self, name: &str, value: Value) {
        if let Some((_, held)) = self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            *held = value;
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<Value> {
        let found = self.variables.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }
}
