//! The functions that every template has.

use std::cmp::Ordering;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::compare;
use super::format;
use super::printf;
use super::run::{Escape, Run};
use super::value::{Joined, Text, Value};

type Function = fn(&mut Run, &[Value]) -> Result<Value, String>;

/// `and` and `or` are evaluated word by word elsewhere.
static FUNCTIONS: &[(&str, Function)] = &[
    ("and", |_, _| Ok(Value::Nil)),
    ("or", |_, _| Ok(Value::Nil)),
    ("call", |_, _| Err("call needs a function, and no value is one".to_owned())),
    ("html", |run, args| match run.escape() {
        Escape::Markdown => escape(run, args, format::markdown),
        _ => escape(run, args, format::html),
    }),
    ("js", |run, args| match run.escape() {
        Escape::Markdown => escape(run, args, format::js_in_markdown),
        _ => escape(run, args, format::js),
    }),
    ("urlquery", |run, args| escape(run, args, url_query)),
    ("index", |_, args| index(args)),
    ("slice", |_, args| slice(args)),
    ("len", |_, args| len(args)),
    ("not", |_, args| match args {
        [value] => Ok(Value::Bool(!value.is_true())),
        _ => Err("not needs one argument".to_owned()),
    }),
    ("print", |run, args| printf::print(run, args).map(Value::Text)),
    ("println", |run, args| printf::print_line(run, args).map(Value::Text)),
    ("printf", |run, args| printf::printf(run, args).map(Value::Text)),
    ("eq", |_, args| compare::equals_any(args).map(Value::Bool)),
    ("ne", |_, args| two("ne", args).and_then(|[a, b]| Ok(Value::Bool(!compare::equals(a, b)?)))),
    ("lt", |_, args| ordered("lt", args, Ordering::is_lt)),
    ("le", |_, args| ordered("le", args, Ordering::is_le)),
    ("gt", |_, args| ordered("gt", args, Ordering::is_gt)),
    ("ge", |_, args| ordered("ge", args, Ordering::is_ge)),
];

/// Whether there is a function of this name.
pub(super) fn has(name: &str) -> bool {
    FUNCTIONS.iter().any(|(known, _)| *known == name)
}

/// Whether it evaluates its arguments itself.
pub(super) fn is_lazy(name: &str) -> bool {
    matches!(name, "and" | "or")
}

pub(super) fn call(run: &mut Run, name: &str, args: &[Value]) -> Result<Value, String> {
    match FUNCTIONS.iter().find(|(known, _)| *known == name) {
        Some((_, function)) => function(run, args),
        None => Err(format!("function \"{name}\" not defined")),
    }
}

fn two<'a>(name: &str, args: &'a [Value]) -> Result<[&'a Value; 2], String> {
    match args {
        [a, b] => Ok([a, b]),
        _ => Err(format!("{name} needs two arguments")),
    }
}

fn ordered(name: &str, args: &[Value], holds: fn(Ordering) -> bool) -> Result<Value, String> {
    let [a, b] = two(name, args)?;
    Ok(Value::Bool(compare::order(a, b)?.is_some_and(holds)))
}

/// The arguments, printed and escaped: text that may stand as it is.
fn escape(run: &mut Run, args: &[Value], write: fn(&mut String, &str)) -> Result<Value, String> {
    let mut joined = Joined::default();
    match args {
        [Value::Nil] => {}
        [value] => format::write(&mut joined, value, run.room_left() / 6)?,
        _ => joined.push(&printf::print(run, args)?),
    }
    let text = joined.finish();
    run.work(text.text.len())?;
    let mut out = String::with_capacity(text.text.len());
    write(&mut out, &text.text);
    Ok(Value::own(out))
}

/// As Go's `url.QueryEscape`.
const IN_QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');

fn url_query(out: &mut String, text: &str) {
    for part in utf8_percent_encode(text, IN_QUERY) {
        out.push_str(&part.replace(' ', "+"));
    }
}

fn len(args: &[Value]) -> Result<Value, String> {
    let length = match args {
        [Value::Text(text)] => text.text.len(),
        [Value::List(values)] => values.len(),
        [Value::Map(entries)] => entries.len(),
        [other] => return Err(format!("len of type {}", other.kind())),
        _ => return Err("len needs one argument".to_owned()),
    };
    i64::try_from(length).map(Value::Int).map_err(|error| error.to_string())
}

fn index(args: &[Value]) -> Result<Value, String> {
    let Some((of, keys)) = args.split_first() else {
        return Err("index needs an argument".to_owned());
    };
    let mut value = of.clone();
    for key in keys {
        value = match (&value, key) {
            (Value::List(values), Value::Int(at)) => {
                let found = usize::try_from(*at).ok().and_then(|at| values.get(at));
                found.cloned().ok_or_else(|| format!("index {at} is out of range"))?
            }
            (Value::Text(text), Value::Int(at)) => {
                let found = usize::try_from(*at).ok().and_then(|at| text.text.as_bytes().get(at));
                let byte = found.ok_or_else(|| format!("index {at} is out of range"))?;
                Value::Int(i64::from(*byte))
            }
            (Value::Map(entries), Value::Text(key)) => {
                entries.get(&*key.text).cloned().unwrap_or(Value::Nil)
            }
            (Value::Nil, _) => return Err("index of nil".to_owned()),
            (of, key) => return Err(format!("index of {} by {}", of.kind(), key.kind())),
        };
    }
    Ok(value)
}

fn slice(args: &[Value]) -> Result<Value, String> {
    let Some((of, bounds)) = args.split_first() else {
        return Err("slice needs an argument".to_owned());
    };
    let length = match of {
        Value::Text(text) => text.text.len(),
        Value::List(values) => values.len(),
        other => return Err(format!("slice of type {}", other.kind())),
    };
    let at = |value: Option<&Value>, default: usize| match value {
        None => Ok(default),
        Some(Value::Int(at)) => usize::try_from(*at).map_err(|_| "slice below zero".to_owned()),
        Some(other) => Err(format!("slice by {}", other.kind())),
    };
    let (start, end) = (at(bounds.first(), 0)?, at(bounds.get(1), length)?);
    let range = start..end;
    let wrong = || format!("slice {start}:{end} is out of range");
    if bounds.len() > 2 || start > end || end > length {
        return Err(wrong());
    }
    match of {
        Value::List(values) => Ok(Value::list(values[range].iter().cloned())),
        Value::Text(text) => text.part(range).map(Value::Text).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// The texts of the arguments of a function that takes as many texts.
pub fn texts<'a, const N: usize>(name: &str, args: &'a [Value]) -> Result<[&'a Text; N], String> {
    let texts: Vec<&Text> = args.iter().filter_map(Value::text).collect();
    let is_right = texts.len() == args.len();
    texts.try_into().ok().filter(|_| is_right).ok_or_else(|| match N {
        1 => format!("{name} needs one string"),
        count => format!("{name} needs {count} strings"),
    })
}
