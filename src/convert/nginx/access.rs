//! `auth_basic`, `allow` and `deny`: who is let in.

use super::scope::Scope;
use super::syntax::Directive;
use super::values;
use crate::convert::Files;
use crate::convert::page::{Item, Line, note};

/// Directives that keep requests out, and have no counterpart.
pub(super) const OTHERS: &[&str] = &[
    "access_by_lua_block",
    "access_by_lua_file",
    "auth_digest",
    "auth_jwt",
    "auth_pam",
    "limit_except",
    "secure_link",
];

/// The directives that protect a path. What cannot be carried over lets nobody in.
pub(super) fn lines(scope: &Scope<'_>, path: &str, files: &dyn Files) -> Vec<Item> {
    let mut lines = passwords(scope, path, files);
    lines.extend(addresses(scope, path));
    lines
}

/// Whether a block has rules of its own about who is let in.
pub(super) fn is_own(scope: &Scope<'_>) -> bool {
    ["auth_basic", "auth_basic_user_file", "allow", "deny", "satisfy", "auth_request"]
        .iter()
        .chain(OTHERS)
        .any(|name| scope.mine(name).is_some())
}

fn passwords(scope: &Scope<'_>, path: &str, files: &dyn Files) -> Vec<Item> {
    let Some(realm) = scope.one("auth_basic").filter(|one| one.arg(0) != "off") else {
        return Vec::new();
    };
    let closed = |why: String| {
        let text = format!("{}: {why}; nobody is let in to {path}", realm.shown());
        vec![note(&realm.at, text), Line::new(["status", "403", path]).into()]
    };
    let file = scope.word("auth_basic_user_file");
    if file.is_empty() || !values::is_fixed(file) || !values::is_fixed(realm.arg(0)) {
        return closed("no file with users whose name has no variable".to_owned());
    }
    let list = match files.read(file, realm.at.file()) {
        Ok(list) => list,
        Err(error) => return closed(format!("{file}: {error}")),
    };
    let text: String = list.into_iter().map(|one| one.text).collect();
    let users = text.lines().filter_map(|line| line.split_once(':')).map(|(user, _)| user.trim());
    let users: Vec<&str> =
        users.filter(|user| !user.is_empty() && !user.starts_with('#')).collect();
    if users.is_empty() {
        return closed(format!("{file} names no user"));
    }
    let stored = format!("htpasswd={}", files.absolute(file));
    let line = |user: &str| {
        let line = Line::new(["basicauth", user, &stored]).with(Line::new([path]));
        line.with(Line::new(["realm", realm.arg(0)])).into()
    };
    users.into_iter().map(line).collect()
}

/// `allow` and `deny` as `ipfilter`.
fn addresses(scope: &Scope<'_>, path: &str) -> Vec<Item> {
    let (allowed, denied) = (scope.all("allow"), scope.all("deny"));
    // What a block inherits is both or none.
    let all_in = |name: &str| scope.all(name).iter().any(|one| one.arg(0) == "all");
    let mut lines = Vec::new();
    if let Some(one) = scope.one("satisfy").filter(|one| one.arg(0) == "any") {
        lines.push(note(&one.at, "satisfy any: here both, password and address, must fit"));
    }
    if let Some(one) = scope.one("auth_request").filter(|one| one.arg(0) != "off") {
        let text = format!("{}: write `forward_auth`; nobody is let in to {path}", one.shown());
        lines.push(note(&one.at, text));
        lines.push(Line::new(["status", "403", path]).into());
    }
    for name in OTHERS {
        if let Some(one) = scope.one(name) {
            let text = format!("{}: not carried over; nobody is let in to {path}", one.shown());
            lines.push(note(&one.at, text));
            lines.push(Line::new(["status", "403", path]).into());
        }
    }
    let Some(first) = first(&allowed, &denied) else { return lines };
    if first.arg(0) == "all" {
        // No other rule is asked.
        if first.name == "deny" {
            lines.push(Line::new(["status", "403", path]).into());
        }
        return lines;
    }
    let ranges = |all: &[&Directive]| -> Vec<String> {
        all.iter().map(|one| one.arg(0).to_owned()).filter(|arg| arg != "all").collect()
    };
    let (rule, from) = match all_in("deny") {
        true if ranges(&denied).is_empty() => ("allow", ranges(&allowed)),
        false if ranges(&allowed).is_empty() => ("block", ranges(&denied)),
        _ => {
            let text =
                format!("allow and deny are mixed: write `ipfilter`; nobody is let in to {path}");
            lines.push(note(&first.at, text));
            lines.push(Line::new(["status", "403", path]).into());
            return lines;
        }
    };
    let filter = Line::new(["ipfilter", path]).with(Line::new(["rule", rule]));
    lines.push(filter.with(Line::new(["ip"]).and(from)).into());
    lines
}

/// The rule that nginx compares first.
fn first<'a>(allowed: &[&'a Directive], denied: &[&'a Directive]) -> Option<&'a Directive> {
    let mut all: Vec<_> = allowed.iter().chain(denied).copied().collect();
    all.sort_by_key(|one| (one.at.line, one.at.column));
    all.first().copied()
}
