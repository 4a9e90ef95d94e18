//! A file of Markdown: front matter as JSON, TOML or YAML, and the text behind it. Pure.

use serde_json::{Map, Value};
use yaml_rust2::parser::{Event, Parser};
use yaml_rust2::{Yaml, YamlLoader};

/// A file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Document<'a> {
    /// The front matter; empty if there is none, or none that can be read.
    pub(super) matter: Map<String, Value>,
    pub(super) text: &'a str,
}

impl<'a> Document<'a> {
    pub(super) fn read(file: &'a str) -> Self {
        let file = file.strip_prefix('\u{feff}').unwrap_or(file);
        let read =
            fenced(file, "+++", toml).or_else(|| fenced(file, "---", yaml)).or_else(|| json(file));
        read.unwrap_or_else(|| Self { matter: Map::new(), text: file })
    }

    /// A value of the front matter that is text.
    pub(super) fn word(&self, name: &str) -> Option<&str> {
        self.matter.get(name).and_then(Value::as_str)
    }
}

/// Front matter between two lines that are `fence`.
fn fenced<'a>(
    file: &'a str,
    fence: &str,
    parse: fn(&str) -> Option<Map<String, Value>>,
) -> Option<Document<'a>> {
    let mut lines = file.split_inclusive('\n');
    let first = lines.next().filter(|line| line.trim() == fence)?;
    let mut end = first.len();
    for line in lines {
        if line.trim() == fence {
            let matter = parse(&file[first.len()..end])?;
            return Some(Document { matter, text: &file[end + line.len()..] });
        }
        end += line.len();
    }
    None
}

/// An object at the beginning of the file.
fn json(file: &str) -> Option<Document<'_>> {
    if !file.trim_start().starts_with('{') {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(file).into_iter::<Map<String, Value>>();
    let matter = values.next()?.ok()?;
    Some(Document { matter, text: &file[values.byte_offset()..] })
}

fn toml(text: &str) -> Option<Map<String, Value>> {
    let table: toml::Table = text.parse().ok()?;
    Some(table.into_iter().map(|(key, value)| (key, from_toml(value))).collect())
}

fn from_toml(value: toml::Value) -> Value {
    use toml::Value as Toml;
    match value {
        Toml::String(text) => Value::from(text),
        Toml::Integer(number) => Value::from(number),
        Toml::Float(number) => Value::from(number),
        Toml::Boolean(flag) => Value::from(flag),
        Toml::Datetime(time) => Value::from(time.to_string()),
        Toml::Array(values) => values.into_iter().map(from_toml).collect(),
        Toml::Table(table) => {
            Value::Object(table.into_iter().map(|(key, value)| (key, from_toml(value))).collect())
        }
    }
}

fn yaml(text: &str) -> Option<Map<String, Value>> {
    if text.trim().is_empty() {
        return Some(Map::new());
    }
    if !may_be_loaded(text) {
        return None;
    }
    match from_yaml(YamlLoader::load_from_str(text).ok()?.into_iter().next()?) {
        Value::Object(matter) => Some(matter),
        _ => None,
    }
}

/// Lists and maps within one another.
pub(super) const DEPTH: usize = 32;

/// Whether a text has no aliases, of which a few lines can stand for gigabytes, and is not nested
/// too deeply. It is read event by event: loading it calls itself for each level.
fn may_be_loaded(text: &str) -> bool {
    let (mut parser, mut depth) = (Parser::new_from_str(text), 0_usize);
    while let Ok((event, _)) = parser.next_token() {
        match event {
            Event::Alias(_) => return false,
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth -= 1,
            Event::StreamEnd => return true,
            _ => {}
        }
        if depth > DEPTH {
            return false;
        }
    }
    false
}

fn from_yaml(value: Yaml) -> Value {
    match value {
        Yaml::String(text) => Value::from(text),
        Yaml::Integer(number) => Value::from(number),
        Yaml::Real(number) => number.parse::<f64>().map_or(Value::Null, Value::from),
        Yaml::Boolean(flag) => Value::from(flag),
        Yaml::Array(values) => values.into_iter().map(from_yaml).collect(),
        Yaml::Hash(entries) => {
            let entries = entries.into_iter().map(|(key, value)| {
                let key = match from_yaml(key) {
                    Value::String(key) => key,
                    other => other.to_string(),
                };
                (key, from_yaml(value))
            });
            Value::Object(entries.collect())
        }
        Yaml::Null | Yaml::Alias(_) | Yaml::BadValue => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn front_matter_in_three_languages() {
        let expected =
            json!({"title": "A", "draft": true, "n": 2, "tags": ["x", "y"], "of": {"k": "v"}});
        for file in [
            "---\ntitle: A\ndraft: true\nn: 2\ntags: [x, y]\nof:\n  k: v\n---\ntext\n",
            "+++\r\ntitle = \"A\"\r\ndraft = true\r\nn = 2\r\ntags = [\"x\", \"y\"]\r\n[of]\r\nk = \"v\"\r\n+++\r\ntext\n",
            "{\"title\": \"A\", \"draft\": true, \"n\": 2, \"tags\": [\"x\", \"y\"], \"of\": {\"k\": \"v\"}}text\n",
            "\u{feff}--- \ntitle: 'A'\ndraft: true\nn: 2\ntags:\n- x\n- y\nof: {k: v}\n---\ntext\n",
        ] {
            let document = Document::read(file);
            assert_eq!(Value::from(document.matter), expected, "{file}");
            assert_eq!(document.text, "text\n", "{file}");
        }
        let dated = Document::read("+++\ndate = 2020-01-02\n+++\n");
        assert_eq!(dated.word("date"), Some("2020-01-02"));
    }

    #[test]
    fn what_is_no_front_matter_is_text() {
        let deep = format!("---\na: {}1{}\n---\n", "[".repeat(40), "]".repeat(40));
        // Deeper than any stack.
        let deeper = ["- ", "? ", "a: [", "- ["].map(|level| {
            let levels = level.repeat(100_000);
            format!("---\n{levels}x\n---\n")
        });
        for file in [
            "text",
            "",
            "---\nno end",
            "---\na: [\n---\ntext",
            "+++\nx\n+++\n",
            "{not json} text",
            "text\n---\na: b\n---\n",
            "---\n- list\n---\n",
            "---\na: &x 1\nb: *x\n---\n",
            &deep,
            &deeper[0],
            &deeper[1],
            &deeper[2],
            &deeper[3],
        ] {
            let read = Document::read(file);
            assert!(read == Document { matter: Map::new(), text: file }, "{file:.80}: {read:.80?}");
        }
        assert_eq!(Document::read("---\n---\nx").text, "x");
    }
}
