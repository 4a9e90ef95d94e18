//! Matchers: paths, `*` and names, as a path of ours or as conditions.

use std::collections::BTreeMap;

use super::query;
use super::syntax::Segment;
use super::values;
use crate::convert::page::Line;
use crate::convert::pattern::{escaped, holds, is_plain, pattern};

/// Which requests a directive is for.
#[derive(Debug, Clone)]
pub(super) enum Where {
    All,
    /// Paths that begin so, in any letter case.
    Prefix(String),
    /// This path only, in any letter case.
    Exact(String),
    /// Those that fulfil all conditions.
    When(Vec<Line>),
}

/// Conditions, or why there are none.
type Found = Result<Vec<Line>, String>;

/// A named matcher.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    found: Result<Where, String>,
    /// The path, where it asks for one only.
    path: Option<String>,
}

/// The named matchers of a site.
pub(super) type Named = BTreeMap<String, Definition>;

impl Where {
    pub(super) fn conditions(&self) -> Vec<Line> {
        match self {
            Self::All => Vec::new(),
            Self::Prefix(path) => vec![begins(path)],
            Self::Exact(path) => vec![equals(path)],
            Self::When(lines) => lines.clone(),
        }
    }

    /// Those that both are for.
    pub(super) fn and(&self, inner: Self) -> Self {
        match (self, inner) {
            (Self::All, inner) => inner,
            (outer, Self::All) => outer.clone(),
            (Self::Prefix(outer), Self::Prefix(inner)) if holds(outer, &inner) => {
                Self::Prefix(inner)
            }
            (Self::Prefix(outer), Self::Exact(inner)) if holds(outer, &inner) => Self::Exact(inner),
            (outer, inner) => {
                let mut all = outer.conditions();
                all.extend(inner.conditions());
                Self::When(all)
            }
        }
    }

    /// The path of rules that are for a path.
    pub(super) fn path(&self) -> Option<&str> {
        match self {
            Self::All => Some("/"),
            Self::Prefix(path) => Some(path),
            Self::Exact(_) | Self::When(_) => None,
        }
    }

    /// Whether it is for one path only; `None`: for others, too.
    pub(super) fn exact(&self) -> Option<&str> {
        match self {
            Self::Exact(path) => Some(path),
            _ => None,
        }
    }
}

fn condition(left: &str, operator: &str, right: &str) -> Line {
    Line::new(["if", left, operator, right])
}

/// Caddy 2 compares paths without regard to letter case.
fn begins(path: &str) -> Line {
    match path.contains(|c: char| c.is_alphabetic()) {
        true => condition("{path}", "match", &format!("(?i)^{}", escaped(path))),
        false => condition("{path}", "starts_with", path),
    }
}

fn equals(path: &str) -> Line {
    match path.contains(|c: char| c.is_alphabetic()) {
        true => condition("{path}", "match", &format!("(?i)^{}$", escaped(path))),
        false => condition("{path}", "is", path),
    }
}

/// The matcher that a directive begins with, and the words behind it.
pub(super) fn of<'a>(line: &'a Segment, named: &Named) -> Result<(Where, &'a [String]), String> {
    let args = line.args();
    let Some(first) = args.first() else { return Ok((Where::All, args)) };
    let rest = &args[1..];
    if first == "*" {
        return Ok((Where::All, rest));
    }
    if let Some(name) = first.strip_prefix('@') {
        let found = named.get(name).ok_or_else(|| format!("no matcher @{name}"))?;
        return found.found.clone().map(|found| (found, rest));
    }
    if first.starts_with('/') {
        return of_path(first)
            .map(|found| (found, rest))
            .ok_or_else(|| format!("{first}: a path is a prefix here"));
    }
    Ok((Where::All, args))
}

/// A path with or without `*`.
pub(super) fn of_path(path: &str) -> Option<Where> {
    if matches!(path, "*" | "/*") {
        return Some(Where::All);
    }
    if let Some(prefix) = path.strip_suffix('*').filter(|prefix| is_plain(prefix)) {
        return Some(Where::Prefix(prefix.to_owned()));
    }
    if is_plain(path) {
        return Some(Where::Exact(path.to_owned()));
    }
    let regex = regex_of(path)?;
    Some(Where::When(vec![condition("{path}", "match", &regex)]))
}

/// A path with `*` within as a regular expression.
fn regex_of(path: &str) -> Option<String> {
    if path.contains(['?', '{', '%', '"', '\\']) {
        return None;
    }
    // A star between two others ends at a slash.
    let (body, is_open) = match path.strip_suffix('*') {
        Some(body) => (body, true),
        None => (path, false),
    };
    let (body, start) = match body.strip_prefix('*') {
        Some(body) => (body, ""),
        None => (body, "^"),
    };
    let parts: Vec<_> = body.split('*').map(escaped).collect();
    let end = if is_open { "" } else { "$" };
    pattern(&format!("(?i){start}{}{end}", parts.join("[^/]*")), false)
}

/// The one path for which a line is, as it is written.
pub(super) fn only_path<'a>(line: &'a Segment, named: &'a Named) -> Option<&'a str> {
    match line.arg(0) {
        path if path.starts_with('/') => Some(path),
        name => named.get(name.strip_prefix('@')?)?.path.as_deref(),
    }
}

/// Reads the definition of a named matcher.
pub(super) fn define(line: &Segment) -> Definition {
    let at_once =
        Segment { at: line.at.clone(), words: line.args().to_vec(), block: line.block.clone() };
    let lines = if line.words.len() > 1 { std::slice::from_ref(&at_once) } else { line.block() };
    let mut paths = lines.iter().filter(|one| one.name() == "path").flat_map(Segment::args);
    let path = paths.next().filter(|_| paths.next().is_none()).cloned();
    Definition { found: conditions_of(lines), path }
}

fn conditions_of(lines: &[Segment]) -> Result<Where, String> {
    if let [one] = lines
        && one.name() == "path"
        && let [path] = one.args()
        && let Some(found @ (Where::Prefix(_) | Where::Exact(_))) = of_path(path)
    {
        return Ok(found);
    }
    let mut all = Vec::new();
    for one in &together(lines)? {
        all.extend(matcher(one, false)?);
    }
    if all.is_empty() { Err("it matches every request".to_owned()) } else { Ok(Where::When(all)) }
}

/// The lines of a matcher, with those that Caddy 2 reads as one: what stands in several of these
/// need not hold all.
fn together(lines: &[Segment]) -> Result<Vec<Segment>, String> {
    let key = |one: &Segment| match one.name() {
        "header" => one.arg(0).to_ascii_lowercase(),
        _ => String::new(),
    };
    let mut found: Vec<Segment> = Vec::new();
    for one in lines {
        let is_twin = |known: &&mut Segment| known.name() == one.name() && key(known) == key(one);
        match (one.name(), found.iter_mut().find(is_twin)) {
            ("not", _) | (_, None) => found.push(Segment {
                at: one.at.clone(),
                words: one.words.clone(),
                block: one.block.clone(),
            }),
            ("path" | "method" | "host" | "query", Some(known)) => {
                known.words.extend_from_slice(one.args());
            }
            _ => return Err(format!("{}: no condition of ours, as it is repeated", one.shown())),
        }
    }
    Ok(found)
}

fn matcher(one: &Segment, is_not: bool) -> Result<Vec<Line>, String> {
    let sign = |operator: &str| match (is_not, operator) {
        (false, operator) => operator.to_owned(),
        (true, "is") => "not".to_owned(),
        (true, operator) => format!("not_{operator}"),
    };
    let test =
        |left: &str, operator: &str, right: &str| Ok(vec![condition(left, &sign(operator), right)]);
    let any = |left: &str, words: &[String]| match words {
        [] => Err(format!("{} is empty", one.name())),
        [word] => test(left, "is", word),
        words => {
            let words: Vec<_> = words.iter().map(|word| escaped(word)).collect();
            test(left, "match", &format!("^(?:{})$", words.join("|")))
        }
    };
    match one.name() {
        "path" => paths(one.args(), &sign),
        "path_regexp" | "header_regexp" => {
            let is_path = one.name() == "path_regexp";
            let field = if is_path { "{path}".to_owned() } else { field_of(one)? };
            let regex = one.args().last().map_or("", String::as_str);
            let regex = pattern(regex, false).ok_or("no regular expression of ours")?;
            test(&field, "match", &regex)
        }
        "method" => any("{method}", one.args()),
        "host" if !one.args().iter().any(|host| host.contains(['*', '{'])) => {
            any("{hostonly}", one.args())
        }
        "protocol" if matches!(one.arg(0), "http" | "https") => test("{scheme}", "is", one.arg(0)),
        "header" => header(one.arg(0), one.args().get(1), &test),
        "query" => match query::patterns(one.args()).as_deref() {
            Some([first, others @ ..]) if !is_not || others.is_empty() => {
                let all = [first].into_iter().chain(others);
                Ok(all.map(|all| condition("{query}", &sign("match"), all)).collect())
            }
            _ => Err(format!("{}: no condition of ours", one.shown())),
        },
        "not" if !is_not && one.args().is_empty() => match one.block() {
            [only] => matcher(only, true),
            _ => Err("not: of several at once".to_owned()),
        },
        "not" if !is_not => {
            let inner = Segment { at: one.at.clone(), words: one.args().to_vec(), block: None };
            matcher(&inner, true)
        }
        _ => Err(format!("{}: no condition of ours", one.shown())),
    }
}

/// The field of a regular expression, before it or before its name.
fn field_of(one: &Segment) -> Result<String, String> {
    match one.args() {
        [field, _] | [_, field, _] => Ok(format!("{{>{field}}}")),
        _ => Err(format!("{}: no condition of ours", one.shown())),
    }
}

fn paths(words: &[String], sign: &dyn Fn(&str) -> String) -> Result<Vec<Line>, String> {
    let mut parts = Vec::new();
    for word in words {
        let wrong = || format!("{word}: no path of ours");
        match of_path(word).ok_or_else(wrong)? {
            Where::All => return Err("every path".to_owned()),
            Where::Prefix(path) => parts.push(format!("^{}", escaped(&path))),
            Where::Exact(path) => parts.push(format!("^{}$", escaped(&path))),
            Where::When(lines) => match lines.first().map(Line::words) {
                Some([_, _, _, regex]) => parts.push(regex.trim_start_matches("(?i)").to_owned()),
                _ => return Err(wrong()),
            },
        }
    }
    if parts.is_empty() {
        return Err("path is empty".to_owned());
    }
    // Letter case does not count in them.
    let regex = format!("(?i)(?:{})", parts.join("|"));
    Ok(vec![condition("{path}", &sign("match"), &regex)])
}

/// A field with this value; `*` at its ends stands for any text.
fn header(
    name: &str,
    value: Option<&String>,
    test: &dyn Fn(&str, &str, &str) -> Found,
) -> Result<Vec<Line>, String> {
    let (name, value) = match (name.strip_prefix('!'), value) {
        (Some(name), None) => return test(&format!("{{>{name}}}"), "is", ""),
        (None, Some(value)) => (name, value.as_str()),
        _ => return Err(format!("header {name}: no condition of ours")),
    };
    let field = format!("{{>{name}}}");
    if values::text(value).is_err() {
        return Err(format!("header {name}: no condition of ours"));
    }
    let bare = value.trim_start_matches('*').trim_end_matches('*');
    if bare.contains('*') || bare.is_empty() {
        return Err(format!("header {name}: no condition of ours"));
    }
    // Caddy 2 looks at each field of the name; here all of them are one text, parted by commas.
    let part = escaped(bare);
    match (value.starts_with('*'), value.ends_with('*')) {
        (true, true) => test(&field, "has", bare),
        // A variable of the environment is no pattern.
        (false, false) if bare.contains('{') => test(&field, "is", bare),
        _ if bare.contains('{') => Err(format!("header {name}: no condition of ours")),
        (true, false) => test(&field, "match", &format!("{part}(?:,|$)")),
        (false, true) => test(&field, "match", &format!("(?:^|,){part}")),
        (false, false) => test(&field, "match", &format!("(?:^|,){part}(?:,|$)")),
    }
}
