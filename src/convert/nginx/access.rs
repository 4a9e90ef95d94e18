//! `auth_basic`, `allow` and `deny`: who is let in.

use super::scope::Scope;
use super::syntax::Directive;
use super::{real_ip, values};
use crate::convert::Files;
use crate::convert::page::{Item, Line, note};

/// Directives that keep requests out, and have no counterpart.
const OTHERS: &[&str] = &[
    "js_access",
    "limit_except",
    "secure_link",
    "secure_link_secret",
    "shib_request",
    "ssl_crl",
    // One that was read is not there any more.
    "include",
];

/// How the names of others begin.
const BEGINNINGS: &[&str] = &["access_by_", "auth_", "rewrite_by_"];

/// Names that begin so and keep nobody out by themselves.
const CARRIED: &[&str] =
    &["auth_basic", "auth_basic_user_file", "auth_delay", "auth_request", "auth_request_set"];

/// Whether a directive keeps requests out, and has no counterpart.
pub(super) fn is_other(one: &Directive) -> bool {
    let name = &*one.name;
    let begins = BEGINNINGS.iter().any(|start| name.starts_with(start));
    (OTHERS.contains(&name) || begins && !CARRIED.contains(&name)) && one.arg(0) != "off"
}

/// The directives that protect a path. What cannot be carried over lets nobody in.
pub(super) fn lines(scope: &Scope<'_>, path: &str, files: &dyn Files) -> Vec<Item> {
    let mut lines = passwords(scope, path, files);
    lines.extend(addresses(scope, path));
    lines
}

/// Whether a block has rules of its own about who is let in.
pub(super) fn is_own(scope: &Scope<'_>) -> bool {
    scope.own().iter().any(is_rule)
}

/// Whether a location, or one around it, has such rules.
pub(super) fn is_set(scope: &Scope<'_>) -> bool {
    scope.of_locations().any(is_rule)
}

fn is_rule(one: &Directive) -> bool {
    let known = ["auth_basic", "auth_basic_user_file", "allow", "deny", "satisfy", "auth_request"];
    known.contains(&&*one.name) || is_other(one)
}

/// Whether the same rules hold in both.
pub(super) fn are_alike(one: &Scope<'_>, other: &Scope<'_>) -> bool {
    let of = |scope: &Scope<'_>| {
        let mut all = scope.together(&["allow", "deny"]);
        let names = ["auth_basic", "auth_basic_user_file", "satisfy", "auth_request"];
        all.extend(names.iter().filter_map(|name| scope.one(name)));
        all.extend(scope.each(is_other));
        let words = |one: &Directive| (one.name.clone(), one.args.clone(), one.block.is_some());
        all.into_iter().map(words).collect::<Vec<_>>()
    };
    of(one) == of(other)
}

/// Whether requests are let in by rules.
pub(super) fn is_protected(scope: &Scope<'_>) -> bool {
    scope.one("auth_basic").is_some_and(|one| one.arg(0) != "off")
        || !scope.together(&["allow", "deny"]).is_empty()
        || !scope.each(is_other).is_empty()
}

/// Whether both ask for passwords, but not for those of the same users.
pub(super) fn have_other_users(one: &Scope<'_>, other: &Scope<'_>) -> bool {
    let users = |scope: &Scope<'_>| {
        let realm = scope.one("auth_basic").filter(|one| one.arg(0) != "off");
        realm.map(|_| scope.word("auth_basic_user_file").to_owned())
    };
    users(one).zip(users(other)).is_some_and(|(one, other)| one != other)
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
    let mut lines = Vec::new();
    let closed = |lines: &mut Vec<Item>, at: &Directive, text: String| {
        lines.push(note(&at.at, text));
        lines.push(Line::new(["status", "403", path]).into());
    };
    if let Some(one) = scope.one("satisfy").filter(|one| one.arg(0) == "any") {
        lines.push(note(&one.at, "satisfy any: here both, password and address, must fit"));
    }
    if let Some(one) = scope.one("auth_request").filter(|one| one.arg(0) != "off") {
        let text = format!("{}: write `forward_auth`; nobody is let in to {path}", one.shown());
        closed(&mut lines, one, text);
    }
    for one in scope.each(is_other) {
        let text = format!("{}: not carried over; nobody is let in to {path}", one.shown());
        closed(&mut lines, one, text);
    }
    let rules = scope.together(&["allow", "deny"]);
    // Behind `all` no other is asked.
    let end = rules.iter().position(|one| one.arg(0) == "all").unwrap_or(rules.len());
    let (before, is_closed) = (&rules[..end], rules.get(end).is_some_and(|one| one.name == "deny"));
    let is_allow = |one: &&Directive| one.name == "allow";
    let rule = match before {
        all if is_closed && !all.iter().any(is_allow) => {
            lines.push(Line::new(["status", "403", path]).into());
            return lines;
        }
        all if all.iter().all(is_allow) && is_closed => "allow",
        all if all.iter().all(is_allow) => return lines,
        all if !all.iter().any(is_allow) => "block",
        all => {
            let text = "allow and deny are mixed: write `ipfilter`; nobody is let in to";
            closed(&mut lines, all[0], format!("{text} {path}"));
            return lines;
        }
    };
    let ranges = before.iter().map(|one| one.arg(0)).filter(|range| *range != "unix:");
    let ranges: Vec<_> = ranges.map(str::to_owned).collect();
    if ranges.is_empty() {
        let refused = (rule == "allow").then(|| Line::new(["status", "403", path]).into());
        lines.extend(refused);
        return lines;
    }
    if real_ip::is_unknown(scope) {
        let text = "the addresses of clients are not known here; nobody is let in to";
        closed(&mut lines, before[0], format!("{}: {text} {path}", before[0].shown()));
        return lines;
    }
    let filter = Line::new(["ipfilter", path]).with(Line::new(["rule", rule]));
    lines.push(filter.with(Line::new(["ip"]).and(ranges)).into());
    lines
}
