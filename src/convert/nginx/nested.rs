//! Which requests each location is for, also where locations are in one another.

use regex::Regex;

use super::place::{Around, Kind, Location};
use crate::convert::page::Line;
use crate::convert::pattern::{escaped, holds};

/// The conditions under which nginx takes this location.
pub(super) fn conditions(location: &Location<'_>, all: &[Location<'_>]) -> Vec<Line> {
    let path = &*location.path;
    let line = |operator: &str, value: &str| Line::new(["if", "{path}", operator, value]);
    let mut lines = Vec::new();
    match location.kind {
        Kind::Exact => return vec![line("is", path)],
        Kind::Named => return lines,
        Kind::Regex => {
            lines.extend(of_those_around(location));
            lines.push(line("match", path));
        }
        Kind::Prefix | Kind::Strong if path != "/" => lines.push(line("starts_with", path)),
        Kind::Prefix | Kind::Strong => {}
    }
    let others = match location.kind {
        Kind::Regex => before_regex(location, all),
        _ => within(path, all),
    };
    if !others.is_empty() {
        lines.push(line("not_match", &format!("^(?:{})", others.join("|"))));
    }
    for other in all.iter().filter(|one| one.kind == Kind::Regex) {
        let pattern = match location.kind {
            Kind::Regex if std::ptr::eq(other.block, location.block) => continue,
            Kind::Regex => before(other, location, all),
            _ => takes(other, location).then(|| other.path.clone()),
        };
        lines.extend(pattern.map(|pattern| line("not_match", &pattern)));
    }
    lines
}

/// Patterns of what a longer path takes from a prefix.
fn within(path: &str, all: &[Location<'_>]) -> Vec<String> {
    let inner = all.iter().filter(|one| one.is_within(path) || is_exact_twin(one, path));
    inner.map(taken).collect()
}

fn is_exact_twin(one: &Location<'_>, path: &str) -> bool {
    one.kind == Kind::Exact && one.path == path
}

/// Patterns of what is not compared with a regular expression.
fn before_regex(location: &Location<'_>, all: &[Location<'_>]) -> Vec<String> {
    let regex = Regex::new(&location.path).ok();
    let base = base(location);
    let first = all.iter().filter(|one| match one.kind {
        Kind::Exact => regex.as_ref().is_some_and(|regex| regex.is_match(&one.path)),
        Kind::Prefix | Kind::Strong => {
            one.path.len() > base.len()
                && holds(base, &one.path)
                && !takes(location, one)
                && !(location.refuses() && is_crossed(location, one, all))
        }
        _ => false,
    });
    first.map(taken).collect()
}

fn taken(one: &Location<'_>) -> String {
    let end = if one.kind == Kind::Exact { "$" } else { "" };
    format!("{}{end}", escaped(&one.path))
}

/// The conditions of the locations around one.
fn of_those_around(location: &Location<'_>) -> Vec<Line> {
    let line = |operator: &str, value: &str| Line::new(["if", "{path}", operator, value]);
    let around = location.around.iter().filter_map(|one| match one.kind {
        Kind::Prefix | Kind::Strong if one.path == "/" => None,
        Kind::Prefix | Kind::Strong => Some(line("starts_with", &one.path)),
        Kind::Exact => Some(line("is", &one.path)),
        Kind::Regex => Some(line("match", &one.path)),
        Kind::Named => Some(line("starts_with", &format!("/{}", one.path))),
    });
    around.collect()
}

/// The path of the innermost location around one that has a path.
pub(super) fn base<'s>(location: &'s Location<'_>) -> &'s str {
    let is_path = |kind: Kind| matches!(kind, Kind::Prefix | Kind::Strong | Kind::Exact);
    let around = location.around.iter().rev().find(|one| is_path(one.kind));
    around.map_or("", |one| &one.path)
}

fn is_around(location: &Location<'_>, other: &Location<'_>) -> bool {
    location.around.len() <= other.around.len()
        && location.around.iter().zip(&other.around).all(|(a, b)| std::ptr::eq(a.block, b.block))
}

/// Whether nginx asks a regular expression for requests whose path chose this location: it stands
/// in one of those around the location, and `^~` did not choose among its neighbours.
pub(super) fn takes(regex: &Location<'_>, location: &Location<'_>) -> bool {
    let depth = regex.around.len();
    let own = Around { block: location.block, kind: location.kind, path: String::new() };
    let mut line = location.around.iter().chain([&own]);
    if line.clone().count() < depth {
        return false;
    }
    let is_same =
        regex.around.iter().zip(line.by_ref()).all(|(a, b)| std::ptr::eq(a.block, b.block));
    is_same && !line.next().is_some_and(|one| matches!(one.kind, Kind::Strong | Kind::Exact))
}

/// Whether a longer path in a location that a regular expression is not asked for has it asked.
pub(super) fn is_crossed(
    regex: &Location<'_>,
    location: &Location<'_>,
    all: &[Location<'_>],
) -> bool {
    all.iter().any(|one| one.is_prefix() && one.is_within(&location.path) && takes(regex, one))
}

/// What a regular expression takes from another because it is asked first.
pub(super) fn before(
    other: &Location<'_>,
    location: &Location<'_>,
    all: &[Location<'_>],
) -> Option<String> {
    let depths = (other.around.len(), location.around.len());
    let place = |one: &Location<'_>| all.iter().position(|it| std::ptr::eq(it.block, one.block));
    if depths.0 == depths.1 {
        return (is_around(other, location) && place(other) < place(location))
            .then(|| other.path.clone());
    }
    // The inner ones first. Where they are not asked for all of their pattern, it says so.
    let base = base(other);
    let (path, is_plain) = (&*other.path, !other.path.contains('^'));
    (depths.0 > depths.1 && is_around(location, other))
        .then(|| match (base.is_empty(), is_plain) {
            (true, _) => Some(path.to_owned()),
            (false, true) => Some(format!("^{}.*(?:{path})", escaped(base))),
            (false, false) => {
                let bare = path.strip_prefix('^')?;
                let is_one = !bare.contains(['^', '|']) && holds(&escaped(base), bare);
                is_one.then(|| path.to_owned())
            }
        })
        .flatten()
}
