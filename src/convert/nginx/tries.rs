//! `try_files`, and the named locations to which it leads.

use super::place::{Action, Kind, Location};
use super::redirect::{Rules, is_refusal, target};
use super::scope::Scope;
use super::syntax::Directive;
use super::values;
use crate::convert::page::Line;

/// `try_files` under the conditions of its location.
pub(super) fn tried(
    one: &Directive,
    conditions: &[Line],
    locations: &[Location<'_>],
    rules: &mut Rules,
) {
    let Some((last, tries)) = one.args.split_last() else { return };
    let mut to = Vec::new();
    for word in tries {
        match values::text(word) {
            Ok(text) if text.starts_with('/') || text.starts_with("{path}") => to.push(text),
            Ok(_) => return rules.note(one, "a file is a path below the root: left out"),
            Err(variable) => {
                return rules.note(one, &format!("{variable} has no placeholder: left out"));
            }
        }
    }
    let is_plain = to.iter().all(|word| matches!(&**word, "{path}" | "{path}/"));
    let fallback = match last.strip_prefix('=') {
        Some("404") if is_plain => return,
        Some("404") => "{path}".to_owned(),
        Some(code) => match code.parse::<u16>() {
            Ok(code @ 400..600) => rules.path(code),
            _ => return rules.note(one, "no status of an error: left out"),
        },
        None => match fallback(last, locations) {
            Ok(fallback) => fallback,
            Err(why) => return rules.note(one, &why),
        },
    };
    let has_folders = to.iter().any(|word| word.ends_with('/'));
    if !has_folders && !last.starts_with('=') {
        // nginx asks for a file only, also where the path ends in a slash.
        let mut folder = conditions.to_vec();
        folder.push(Line::new(["if", "{path}", "ends_with", "/"]));
        rules.lead(&folder, &fallback);
    }
    let mut line = Line::new(["rewrite"]);
    conditions.iter().cloned().for_each(|condition| line.add(condition));
    to.push(fallback);
    rules.rewrites.push(line.with(Line::new(["to"]).and(to)).into());
}

/// Where a request goes whose file is not there.
fn fallback(last: &str, locations: &[Location<'_>]) -> Result<String, String> {
    if !last.starts_with('@') {
        let text = values::text(last);
        let text = text.map_err(|variable| format!("{variable} has no placeholder: left out"))?;
        return match text.starts_with(['/', '{']) {
            true => Ok(text),
            false => Err("the last is no path: left out".to_owned()),
        };
    }
    let mut named = locations.iter().filter(|one| one.kind == Kind::Named && one.path == last);
    let Some(location) = named.next() else { return Err(format!("no location {last}: left out")) };
    match (location.action, location.scope.mine("rewrite")) {
        (Action::Files, Some(one)) => of_rewrite(one).ok_or_else(|| {
            format!("{}: the fallback cannot be written as one path: left out", one.shown())
        }),
        (Action::Files, None) => Err(format!("location {last} sends no answer: left out")),
        (_, Some(one)) => {
            let path = of_rewrite(one).filter(|_| is_only_rule(&location.scope));
            Ok(path.map_or_else(|| format!("/{last}{{path}}"), |path| format!("/{last}{path}")))
        }
        _ => Ok(format!("/{last}{{path}}")),
    }
}

/// Whether a block has one `rewrite` and no `if`.
fn is_only_rule(scope: &Scope<'_>) -> bool {
    scope.named("rewrite").count() == 1 && scope.named("if").next().is_none()
}

/// The rules of a named location, to which only `rewrite` leads: no second one is asked there.
pub(super) fn of_named(location: &Location<'_>, rules: &mut Rules) {
    let scope = &location.scope;
    let rewrite = scope.mine("rewrite").filter(|_| is_only_rule(scope));
    if rewrite.is_some_and(|one| of_rewrite(one).is_some()) {
        // `try_files` leads to its path at once.
        return;
    }
    for one in scope.own().iter().filter(|one| matches!(&*one.name, "rewrite" | "if")) {
        let refuses = one.block().iter().any(is_refusal);
        let end = if refuses { "nobody is let in" } else { "left out" };
        rules.note(one, &format!("in a named location: {end}"));
        if refuses {
            let line = Line::new(["status", "403", &format!("/{}", location.path)]);
            rules.answers.push(line.into());
        }
    }
}

/// The path that a rewrite of every path makes.
fn of_rewrite(one: &Directive) -> Option<String> {
    let to = one.arg(1).trim_end_matches('?');
    let to = match (one.arg(0), values::has_group(to)) {
        ("^" | "^.*$" | "^(.*)$" | ".*" | "^/(.*)$" | "(.*)" | "^(.+)$", false) => to.to_owned(),
        ("^(.*)$" | "(.*)" | "^(.+)$", true) => to.replace("$1", "$uri"),
        ("^/(.*)$", true) if to.contains("/$1") => to.replace("/$1", "$uri"),
        _ => return None,
    };
    let is_whole = !values::has_group(&to) && to.starts_with(['/', '$']);
    values::text(&to).ok().filter(|_| is_whole).map(|path| target(&path, one.arg(1)))
}
