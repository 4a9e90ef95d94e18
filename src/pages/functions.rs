//! v1's functions on values, which depend on nothing else.

use crate::http::paths;
use crate::text_template::{Run, Text, Value, texts};

/// Calls a function; `Ok(None)` if there is none of this name.
pub(super) fn call(name: &str, args: &[Value], run: &mut Run) -> Result<Option<Value>, String> {
    let value = match name {
        "ToUpper" => one(name, args, |text| text.to_uppercase())?,
        "ToLower" => one(name, args, |text| text.to_lowercase())?,
        "StripHTML" => one(name, args, strip_html)?,
        "Ext" => one(name, args, |path| paths::extension(path).to_owned())?,
        "StripExt" => {
            one(name, args, |path| path[..path.len() - paths::extension(path).len()].to_owned())?
        }
        "Truncate" => truncate(args)?,
        "Replace" => replace(args, run)?,
        "Split" => split(args, run)?,
        "Join" => join(args, run)?,
        "Slice" => Value::list(args.iter().cloned()),
        "Map" => map(args)?,
        _ => return Ok(None),
    };
    Ok(Some(value))
}

fn one(name: &str, args: &[Value], make: impl Fn(&str) -> String) -> Result<Value, String> {
    let [text] = texts(name, args)?;
    Ok(Value::Text(Text::made_of(make(&text.text), text.is_foreign())))
}

/// Text without tags. What only looks like one stays.
fn strip_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut tag, mut is_quoted) = (None, false);
    for (at, next) in text.char_indices() {
        match (tag, next) {
            (None, '<') => tag = Some(at),
            (None, next) => out.push(next),
            (Some(_), '>') if !is_quoted => tag = None,
            (Some(start), '<') if !is_quoted => {
                out.push_str(&text[start..at]);
                tag = Some(at);
            }
            (Some(_), '"') => is_quoted = !is_quoted,
            (Some(_), _) => {}
        }
    }
    if let Some(start) = tag {
        out.push_str(&text[start..]);
    }
    out
}

/// The first bytes, or the last ones if the length is negative, at the boundary of a character.
fn truncate(args: &[Value]) -> Result<Value, String> {
    let [Value::Text(text), Value::Int(length)] = args else {
        return Err("Truncate needs a string and an int".to_owned());
    };
    let size = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
    let whole = text.text.len();
    if size >= whole {
        return Ok(Value::Text(text.clone()));
    }
    let range = match length {
        0.. => 0..text.text.floor_char_boundary(size),
        _ => text.text.ceil_char_boundary(whole - size)..whole,
    };
    Ok(Value::Text(text.part(range).unwrap_or_default()))
}

fn replace(args: &[Value], run: &mut Run) -> Result<Value, String> {
    let [text, find, by] = texts("Replace", args)?;
    let count = text.text.matches(&*find.text).count();
    fits(text.text.len().saturating_add(count.saturating_mul(by.text.len())), run)?;
    let is_foreign = text.is_foreign() || by.is_foreign();
    Ok(Value::Text(Text::made_of(text.text.replace(&*find.text, &by.text), is_foreign)))
}

fn split(args: &[Value], run: &mut Run) -> Result<Value, String> {
    let [text, separator] = texts("Split", args)?;
    let is_foreign = text.is_foreign();
    let part = |part: &str| Value::Text(Text::made_of(part, is_foreign));
    if separator.text.is_empty() {
        fits(text.text.len().saturating_mul(size_of::<Value>()), run)?;
        let characters = text.text.chars();
        return Ok(Value::list(characters.map(|one| part(one.encode_utf8(&mut [0; 4])))));
    }
    let count = text.text.matches(&*separator.text).count() + 1;
    fits(count.saturating_mul(size_of::<Value>()), run)?;
    Ok(Value::list(text.text.split(&*separator.text).map(part)))
}

fn join(args: &[Value], run: &mut Run) -> Result<Value, String> {
    let [Value::List(values), Value::Text(separator)] = args else {
        return Err("Join needs a list of strings and a string".to_owned());
    };
    let parts = texts_of(values)?;
    let sizes = parts.iter().map(|part| part.text.len().saturating_add(separator.text.len()));
    fits(sizes.fold(0, usize::saturating_add), run)?;
    let is_foreign = separator.is_foreign() || parts.iter().any(|part| part.is_foreign());
    let parts: Vec<&str> = parts.iter().map(|part| &*part.text).collect();
    Ok(Value::Text(Text::made_of(parts.join(&*separator.text), is_foreign)))
}

fn texts_of(values: &[Value]) -> Result<Vec<&Text>, String> {
    let text = |value: &'_ Value| value.text().is_some();
    if !values.iter().all(text) {
        return Err("Join needs a list of strings".to_owned());
    }
    Ok(values.iter().filter_map(Value::text).collect())
}

fn map(args: &[Value]) -> Result<Value, String> {
    if !args.len().is_multiple_of(2) {
        return Err("Map needs an even number of arguments".to_owned());
    }
    let entry = |pair: &[Value]| match pair {
        [Value::Text(key), value] => Ok((key.text.to_string(), value.clone())),
        _ => Err("the keys of Map must be strings".to_owned()),
    };
    let entries: Result<Vec<_>, _> = args.chunks(2).map(entry).collect();
    entries.map(Value::map)
}

/// Letters and digits, from as many to as many, that nobody can guess.
pub(super) fn random_string(args: &[Value], run: &mut Run) -> Result<Value, String> {
    const SYMBOLS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let [Value::Int(least), Value::Int(most)] = args else {
        return Err("RandomString needs two ints".to_owned());
    };
    let (Ok(least), Ok(most)) = (usize::try_from(*least), usize::try_from(*most)) else {
        return Ok(Value::own(""));
    };
    if most < least {
        return Ok(Value::own(""));
    }
    fits(most, run)?;
    let length = fastrand::usize(least..=most);
    let mut out = String::with_capacity(length);
    while out.len() < length {
        let mut bytes = [0; 64];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "no randomness from the system")?;
        // Bytes above the last multiple of 62 would make some symbols more likely.
        let even = bytes.into_iter().filter(|byte| *byte < 248);
        let symbols = even.map(|byte| char::from(SYMBOLS[usize::from(byte) % SYMBOLS.len()]));
        out.extend(symbols.take(length - out.len()));
    }
    Ok(Value::own(out))
}

fn fits(bytes: usize, run: &Run) -> Result<(), String> {
    if bytes > run.room_left() {
        return Err("the template makes too much text".to_owned());
    }
    Ok(())
}
