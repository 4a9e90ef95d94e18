//! The values of a template, and text that knows which of its parts are foreign.

use std::collections::BTreeMap;
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::go_time::Moment;
use super::run::Run;

/// A value.
#[derive(Clone)]
pub enum Value {
    /// Also the value of a key that a map does not have.
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
    List(Nest<[Self]>),
    Map(Nest<BTreeMap<String, Self>>),
    Moment(Moment),
    Object(Arc<dyn Object>),
}

/// Values within a value. Printing and dropping one recurse, so an execution bounds the depth.
pub struct Nest<T: ?Sized> {
    values: Arc<T>,
    depth: usize,
}

impl<T: ?Sized> Clone for Nest<T> {
    fn clone(&self) -> Self {
        Self { values: self.values.clone(), depth: self.depth }
    }
}

impl<T: ?Sized> Deref for Nest<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.values
    }
}

/// A value with fields and methods of its own.
pub trait Object: Send + Sync {
    /// The type's name in messages.
    fn name(&self) -> &'static str;

    /// A field or a method, which may take arguments; `Ok(None)` if there is none of this name.
    fn get(&self, name: &str, args: &[Value], run: &mut Run) -> Result<Option<Value>, String>;

    /// The value as it is printed.
    fn print(&self) -> Text {
        Text::own(format!("<{}>", self.name()))
    }
}

/// Text. Its foreign parts were written by a client or another who may not write HTML.
#[derive(Debug, Clone, Default)]
pub struct Text {
    pub text: Arc<str>,
    /// In order, without overlap.
    foreign: Option<Arc<[Range<usize>]>>,
}

impl Text {
    /// Text of the site's owner.
    pub fn own(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), foreign: None }
    }

    pub fn foreign(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let all: Vec<_> = std::iter::once(0..text.len()).collect();
        Self { foreign: (!text.is_empty()).then(|| all.into()), text }
    }

    /// Text made of others, of which one may be foreign.
    pub fn made_of(text: impl Into<Arc<str>>, is_foreign: bool) -> Self {
        if is_foreign { Self::foreign(text) } else { Self::own(text) }
    }

    pub fn is_foreign(&self) -> bool {
        self.foreign.is_some()
    }

    /// A part of the text, at the boundaries of characters.
    pub fn part(&self, range: Range<usize>) -> Option<Self> {
        let text: Arc<str> = self.text.get(range.clone())?.into();
        let within = |foreign: &Range<usize>| {
            let start = foreign.start.max(range.start);
            let end = foreign.end.min(range.end);
            (start < end).then(|| start - range.start..end - range.start)
        };
        let foreign: Vec<_> = self.ranges().iter().filter_map(within).collect();
        Some(Self { text, foreign: (!foreign.is_empty()).then(|| foreign.into()) })
    }

    pub(super) fn ranges(&self) -> &[Range<usize>] {
        self.foreign.as_deref().unwrap_or_default()
    }
}

/// Builds text out of parts.
#[derive(Debug, Default)]
pub(super) struct Joined {
    text: String,
    foreign: Vec<Range<usize>>,
}

impl Joined {
    pub(super) fn own(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(super) fn push(&mut self, part: &Text) {
        let at = self.text.len();
        self.text.push_str(&part.text);
        let ranges = part.ranges().iter();
        self.foreign.extend(ranges.map(|range| range.start + at..range.end + at));
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn finish(self) -> Text {
        let foreign = (!self.foreign.is_empty()).then(|| self.foreign.into());
        Text { text: self.text.into(), foreign }
    }
}

impl Value {
    pub fn own(text: impl Into<Arc<str>>) -> Self {
        Self::Text(Text::own(text))
    }

    pub fn foreign(text: impl Into<Arc<str>>) -> Self {
        Self::Text(Text::foreign(text))
    }

    pub fn list(values: impl IntoIterator<Item = Self>) -> Self {
        let values: Arc<[Self]> = values.into_iter().collect();
        Self::List(Nest { depth: depth_with(values.iter()), values })
    }

    pub fn map(entries: impl IntoIterator<Item = (String, Self)>) -> Self {
        let entries: BTreeMap<_, _> = entries.into_iter().collect();
        Self::Map(Nest { depth: depth_with(entries.values()), values: Arc::new(entries) })
    }

    pub fn object(object: impl Object + 'static) -> Self {
        Self::Object(Arc::new(object))
    }

    /// How many lists and maps lie within one another.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::List(values) => values.depth,
            Self::Map(entries) => entries.depth,
            _ => 0,
        }
    }

    /// The memory of what lies in it directly.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.text.len(),
            Self::List(values) => size_of_val::<[Self]>(values),
            Self::Map(entries) => {
                let names: usize = entries.keys().map(String::len).sum();
                names + entries.len() * size_of::<(String, Self)>()
            }
            _ => 0,
        }
    }

    /// Whether the value is true for `if`: not the zero of its type.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.text.is_empty(),
            Self::List(values) => !values.is_empty(),
            Self::Map(entries) => !entries.is_empty(),
            Self::Moment(_) | Self::Object(_) => true,
        }
    }

    /// The type's name in messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Moment(_) => "time",
            Self::Object(object) => object.name(),
        }
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&Text> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn depth_with<'v>(within: impl Iterator<Item = &'v Value>) -> usize {
    1 + within.map(Value::depth).max().unwrap_or(0)
}

impl From<serde_json::Value> for Value {
    /// Text is foreign.
    fn from(value: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match value {
            Json::Null => Self::Nil,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => match number.as_i64() {
                Some(value) => Self::Int(value),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::foreign(text),
            Json::Array(values) => Self::list(values.into_iter().map(Self::from)),
            Json::Object(entries) => {
                Self::map(entries.into_iter().map(|(key, value)| (key, Self::from(value))))
            }
        }
    }
}
