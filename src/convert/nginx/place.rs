//! The locations of a server: which requests each is for, and what it does with them.

use regex::Regex;

use super::access;
use super::scope::Scope;
use super::syntax::Directive;
use crate::convert::page::{Item, Line, note};
use crate::convert::pattern::{escaped, holds, is_plain, pattern};

/// How a location is compared with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `= /path`.
    Exact,
    /// `^~ /path`: no regular expression is asked.
    Strong,
    Prefix,
    Regex,
    /// `@name`.
    Named,
}

/// What a location does with a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action<'a> {
    Proxy(&'a Directive),
    Fastcgi(&'a Directive),
    Return(&'a Directive),
    /// Nobody is let in.
    Deny,
    Files,
}

/// One location.
#[derive(Clone)]
pub(super) struct Location<'a> {
    pub(super) kind: Kind,
    /// The path, the regular expression or the name.
    pub(super) path: String,
    pub(super) block: &'a Directive,
    pub(super) scope: Scope<'a>,
    pub(super) action: Action<'a>,
}

impl Location<'_> {
    pub(super) fn is_prefix(&self) -> bool {
        matches!(self.kind, Kind::Prefix | Kind::Strong)
    }

    pub(super) fn serves_files(&self) -> bool {
        matches!(self.action, Action::Files)
    }

    /// Whether it takes requests that this path begins.
    fn is_within(&self, path: &str) -> bool {
        matches!(self.kind, Kind::Prefix | Kind::Strong | Kind::Exact)
            && self.path != path
            && holds(path, &self.path)
    }
}

/// The locations of a server, those in others behind them.
pub(super) fn of<'a>(server: &Scope<'a>, notes: &mut Vec<Item>) -> Vec<Location<'a>> {
    let mut all = Vec::new();
    collect(server, &mut all, notes);
    all
}

fn collect<'a>(scope: &Scope<'a>, all: &mut Vec<Location<'a>>, notes: &mut Vec<Item>) {
    for block in scope.named("location") {
        let inner = scope.inner(block.block());
        match read(block) {
            Some((kind, path)) => {
                let action = action(&inner);
                all.push(Location { kind, path, block, scope: inner.clone(), action });
            }
            None => unreadable(block, &inner, notes),
        }
        collect(&inner, all, notes);
    }
}

/// A location whose paths are not known here. If it keeps requests out, nobody is let in at all.
fn unreadable(block: &Directive, inner: &Scope<'_>, notes: &mut Vec<Item>) {
    let refuses = match action(inner) {
        Action::Deny => true,
        Action::Return(one) => one.arg(0).starts_with('4'),
        _ => access::is_own(inner) || inner.mine("internal").is_some(),
    };
    let end = if refuses { "; nobody is let in to the server" } else { "" };
    let text = format!("{}: no path or regular expression of ours: left out{end}", block.shown());
    notes.push(note(&block.at, text));
    if refuses {
        notes.push(Line::new(["status", "403", "/"]).into());
    }
}

fn read(block: &Directive) -> Option<(Kind, String)> {
    let (sign, path) = match &block.args[..] {
        [path] => ("", path.clone()),
        [sign, path] => (sign.as_str(), path.clone()),
        _ => return None,
    };
    // The sign may be part of the word.
    let (sign, path) = match sign {
        "" => match ["^~", "~*", "~", "="].iter().find(|sign| path.starts_with(**sign)) {
            Some(sign) => (*sign, path[sign.len()..].to_owned()),
            None => ("", path),
        },
        sign => (sign, path),
    };
    let found = match sign {
        "=" => (Kind::Exact, path),
        "^~" => (Kind::Strong, path),
        "" if path.starts_with('@') => (Kind::Named, path),
        "" => (Kind::Prefix, path),
        "~" => return Some((Kind::Regex, pattern(&path, false)?)),
        "~*" => return Some((Kind::Regex, pattern(&path, true)?)),
        _ => return None,
    };
    let is_name = |path: &str| path[1..].chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
    let fits = match found.0 {
        Kind::Named => found.1.len() > 1 && is_name(&found.1),
        _ => is_plain(&found.1),
    };
    fits.then_some(found)
}

fn action<'a>(scope: &Scope<'a>) -> Action<'a> {
    for one in scope.own() {
        match &*one.name {
            "return" => return Action::Return(one),
            "proxy_pass" | "grpc_pass" => return Action::Proxy(one),
            "fastcgi_pass" => return Action::Fastcgi(one),
            "deny" if one.arg(0) == "all" && scope.named("allow").next().is_none() => {
                return Action::Deny;
            }
            _ => {}
        }
    }
    Action::Files
}

/// The conditions under which nginx takes this location.
pub(super) fn conditions(location: &Location<'_>, all: &[Location<'_>]) -> Vec<Line> {
    let path = &*location.path;
    let line = |operator: &str, value: &str| Line::new(["if", "{path}", operator, value]);
    let mut lines = Vec::new();
    match location.kind {
        Kind::Exact => return vec![line("is", path)],
        Kind::Named => return lines,
        Kind::Regex => lines.push(line("match", path)),
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
    if location.kind == Kind::Strong {
        return lines;
    }
    for other in all.iter().filter(|one| one.kind == Kind::Regex) {
        if location.kind == Kind::Regex && std::ptr::eq(other.block, location.block) {
            break;
        }
        lines.push(line("not_match", &other.path));
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
    let first = all.iter().filter(|one| match one.kind {
        Kind::Exact => regex.as_ref().is_some_and(|regex| regex.is_match(&one.path)),
        Kind::Strong => true,
        _ => false,
    });
    first.map(taken).collect()
}

fn taken(one: &Location<'_>) -> String {
    let end = if one.kind == Kind::Exact { "$" } else { "" };
    format!("{}{end}", escaped(&one.path))
}
