//! Environment substitution, and the files that an `import` names.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::text::read_file;

/// Looks up one variable; tests hand in their own.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Replaces `{%NAME%}`, then `{$NAME}`; an unset name is replaced by nothing, and an opener that
/// has no end or no name stays as it is.
pub(super) fn expand(text: &str, env: Env<'_>) -> String {
    replace(&replace(text, "{%", "%}", env), "{$", "}", env)
}

/// The first variable in a text that the environment does not have.
pub(super) fn unset(text: &str, env: Env<'_>) -> Option<Arc<str>> {
    let missing = RefCell::new(None);
    let noted = |name: &str| {
        let value = env(name);
        if value.is_none() {
            missing.borrow_mut().get_or_insert_with(|| Arc::from(name));
        }
        value
    };
    expand(text, &noted);
    missing.into_inner()
}

fn replace(text: &str, open: &str, close: &str, env: Env<'_>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(open) {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let inside = &from[open.len()..];
        match inside.find(close) {
            None => {
                rest = from;
                break;
            }
            Some(0) => {
                out.push_str(&from[..open.len() + close.len()]);
                rest = &inside[close.len()..];
            }
            Some(end) => {
                out.push_str(&env(&inside[..end]).unwrap_or_default());
                rest = &inside[end + close.len()..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The files `pattern` means, sorted; a relative one is taken from `dir`. None is an error
/// unless the pattern holds a `*`. The error is the message's text.
pub(super) fn files(pattern: &str, dir: &Path) -> Result<Vec<PathBuf>, String> {
    let wild = pattern.matches(['*', '?']).count();
    if wild > 1 {
        return Err(format!(
            "Glob pattern may only contain one wildcard (*), but has others: {pattern}"
        ));
    }
    let path = dir.join(pattern);
    if wild == 0 && (!pattern.contains('[') || path.exists()) {
        return if path.exists() {
            Ok(vec![path])
        } else {
            Err(format!("File to import not found: {pattern}"))
        };
    }
    let full = if Path::new(pattern).is_absolute() {
        pattern.to_owned()
    } else {
        Path::new(&glob::Pattern::escape(&dir.to_string_lossy()))
            .join(pattern)
            .to_string_lossy()
            .into_owned()
    };
    let refuse = |e: &dyn std::fmt::Display| format!("Failed to use import pattern {pattern}: {e}");
    let mut found = Vec::new();
    for entry in glob::glob(&full).map_err(|e| refuse(&e))? {
        found.push(entry.map_err(|e| refuse(&e))?);
    }
    found.sort();
    if found.is_empty() && !pattern.contains('*') {
        return Err(format!("File to import not found: {pattern}"));
    }
    Ok(found)
}

/// The text of one imported file.
pub(super) fn read(path: &Path) -> Result<String, String> {
    read_file(path).map_err(|error| format!("Could not import {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn replaces_variables() {
        let env = |name: &str| match name {
            "PORT" => Some("8080".to_owned()),
            "ADDRESS" => Some("servername.com".to_owned()),
            "FOOBAR" => Some("foobar".to_owned()),
            _ => None,
        };
        let cases = [
            ("{$ADDRESS}", "servername.com"),
            ("{$ADDRESS}:{$PORT}", "servername.com:8080"),
            ("{$ADDRESS}:{%PORT%}", "servername.com:8080"),
            (":{%PORT%}", ":8080"),
            ("{%ADDRESS}", "{%ADDRESS}"),
            (":{$PORT$}", ":"),
            ("{{ .Name }} {$FOOBAR}", "{{ .Name }} foobar"),
            ("{$}", "{$}"),
            ("{%%}", "{%%}"),
            ("{%}", "{%}"),
            ("{$$}", ""),
            ("}{$", "}{$"),
            ("{$UNSET}x", "x"),
        ];
        for (text, expected) in cases {
            assert_eq!(expand(text, &env), expected, "{text}");
        }
    }
}
