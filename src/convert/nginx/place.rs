//! The locations of a server: which requests each is for, and what it does with them.

use super::access;
use super::scope::Scope;
use super::syntax::Directive;
use crate::convert::page::{Item, Line, note};
use crate::convert::pattern::{holds, is_plain, pattern};

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

/// A location around another.
#[derive(Clone)]
pub(super) struct Around<'a> {
    pub(super) block: &'a Directive,
    pub(super) kind: Kind,
    pub(super) path: String,
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
    /// The locations around it, the outermost first.
    pub(super) around: Vec<Around<'a>>,
}

impl Location<'_> {
    pub(super) fn is_prefix(&self) -> bool {
        matches!(self.kind, Kind::Prefix | Kind::Strong)
    }

    pub(super) fn serves_files(&self) -> bool {
        matches!(self.action, Action::Files)
    }

    /// Whether it is for a path, or what begins with it.
    pub(super) fn is_path(&self) -> bool {
        self.is_prefix() || self.kind == Kind::Exact
    }

    /// Whether it answers all with an error, or only some people.
    pub(super) fn refuses(&self) -> bool {
        self.is_closed() || self.is_internal() || access::is_set(&self.scope)
    }

    /// Whether it answers all with an error.
    pub(super) fn is_closed(&self) -> bool {
        match self.action {
            Action::Deny => true,
            Action::Return(one) => one.arg(0).starts_with(['4', '5']),
            _ => false,
        }
    }

    /// Whether it takes requests that this path begins.
    pub(super) fn is_within(&self, path: &str) -> bool {
        self.is_path() && self.path != path && holds(path, &self.path)
    }

    /// Whether clients cannot ask for it.
    pub(super) fn is_internal(&self) -> bool {
        self.kind != Kind::Named && self.scope.of_locations().any(|one| one.name == "internal")
    }
}

/// The locations of a server, those in others behind them.
pub(super) fn of<'a>(server: &Scope<'a>, notes: &mut Vec<Item>) -> Vec<Location<'a>> {
    let mut all = Vec::new();
    collect(server, &[], &mut all, notes);
    all
}

fn collect<'a>(
    scope: &Scope<'a>,
    around: &[Around<'a>],
    all: &mut Vec<Location<'a>>,
    notes: &mut Vec<Item>,
) {
    for block in scope.named("location") {
        let inner = scope.inner(block.block());
        let mut within = around.to_vec();
        match read(block) {
            Some((kind, path)) => {
                let action = action(&inner);
                within.push(Around { block, kind, path: path.clone() });
                let (scope, around) = (inner.clone(), around.to_vec());
                all.push(Location { kind, path, block, scope, action, around });
            }
            None => unreadable(block, &inner, notes),
        }
        collect(&inner, &within, all, notes);
    }
}

/// A location whose paths are not known here. If it keeps requests out, nobody is let in at all.
fn unreadable(block: &Directive, inner: &Scope<'_>, notes: &mut Vec<Item>) {
    let refuses = match action(inner) {
        Action::Deny => true,
        Action::Return(one) => one.arg(0).starts_with('4'),
        _ => access::is_set(inner) || inner.mine("internal").is_some(),
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
    // nginx asks for it before all others, wherever it stands; what was not read may be one, too.
    let mut first = scope.own().iter().filter(|one| matches!(&*one.name, "return" | "include"));
    if let Some(one) = first.next().filter(|one| one.name == "return") {
        return Action::Return(one);
    }
    for one in scope.own() {
        match &*one.name {
            "proxy_pass" | "grpc_pass" => return Action::Proxy(one),
            "fastcgi_pass" => return Action::Fastcgi(one),
            // What answers instead of files is not here, or in a file that was not read.
            "content_by_lua"
            | "content_by_lua_block"
            | "content_by_lua_file"
            | "include"
            | "js_content"
            | "memcached_pass"
            | "perl"
            | "scgi_pass"
            | "uwsgi_pass" => {
                return Action::Deny;
            }
            "deny" if one.arg(0) == "all" && scope.named("allow").next().is_none() => {
                return Action::Deny;
            }
            _ => {}
        }
    }
    Action::Files
}
