//! The parts of tables: their columns and cells, and what a text may hold.

use serde_json::{Value, json};

use crate::metrics::Protocol;
use crate::text_template;

/// Rows of a list, whose length is that of the configuration.
pub(super) const ROWS: usize = 20;

/// Characters of a text.
const CHARACTERS: usize = 300;

/// A table. Its cells are text, whose first one names the row.
pub(super) struct Table {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) columns: Vec<Value>,
    pub(super) rows: Vec<Vec<Value>>,
    /// What stands for a table without rows.
    pub(super) empty: &'static str,
    /// What stands below it.
    pub(super) more: String,
    pub(super) layout: Layout,
}

/// Where a table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// In one of two columns of a wide window.
    Column,
    /// Over both. In a narrow window its rows become blocks, in which each cell has its name.
    Wide,
}

impl Table {
    pub(super) fn value(self) -> Value {
        let Self { id, title, columns, rows, empty, more, layout } = self;
        json!({
            "id": id, "title": title, "columns": columns, "rows": rows, "empty": empty,
            "more": more, "is_wide": layout == Layout::Wide,
        })
    }

    /// With a column for each protocol, and one for all.
    pub(super) fn by_protocol(
        id: &'static str,
        title: &'static str,
        rows: Vec<Vec<Value>>,
    ) -> Value {
        let names = Protocol::ALL.map(Protocol::name);
        let columns = std::iter::once(words("")).chain(names.map(numbers)).chain([numbers("All")]);
        let (columns, empty, more) = (columns.collect(), "", String::new());
        Self { id, title, columns, rows, empty, more, layout: Layout::Column }.value()
    }
}

pub(super) fn words(name: &str) -> Value {
    json!({ "name": name, "class": "" })
}

pub(super) fn numbers(name: &str) -> Value {
    json!({ "name": name, "class": "n" })
}

/// Words that are not broken.
pub(super) fn short(name: &str) -> Value {
    json!({ "name": name, "class": "short" })
}

pub(super) fn cell(text: impl AsRef<str>) -> Value {
    bad_if(false, text)
}

pub(super) fn bad_if(is_bad: bool, text: impl AsRef<str>) -> Value {
    json!({ "text": said(text.as_ref()), "is_bad": is_bad })
}

/// A text that may come from elsewhere, such as an error of a CA: bounded, and without characters
/// that change how what stands beside them is shown.
pub(super) fn said(text: &str) -> String {
    let hides = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
            || matches!(letter, '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let shown = |letter| if hides(letter) { '\u{fffd}' } else { letter };
    let mut letters = text.chars().map(shown);
    let mut said: String = letters.by_ref().take(CHARACTERS).collect();
    if letters.next().is_some() {
        said.push('…');
    }
    said
}

/// For what is not known.
pub(super) fn dash() -> String {
    "–".to_owned()
}

pub(super) fn left_out(all: usize, text: impl Fn(u64) -> String) -> String {
    if all > ROWS { text((all - ROWS) as u64) } else { String::new() }
}

/// What a template gets: `facts`, whose text it escapes, and `own`, which stands as it is.
pub(super) fn with<const N: usize>(
    facts: Value,
    own: [(&str, text_template::Value); N],
) -> text_template::Value {
    let facts = match facts {
        Value::Object(facts) => facts,
        _ => serde_json::Map::new(),
    };
    let facts = facts.into_iter().map(|(name, value)| (name, value.into()));
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
    text_template::Value::map(facts.chain(own))
}
