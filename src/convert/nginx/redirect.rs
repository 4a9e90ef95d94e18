//! `return`, `rewrite`, `if` and `try_files`.

use super::place::{Action, Kind, Location};
use super::scope::Scope;
use super::syntax::Directive;
use super::values;
use crate::convert::answers::{Answer, Answers};
use crate::convert::page::{Item, Line, note};
use crate::convert::pattern::pattern;

/// The rules of a site that change paths or answer without a file.
#[derive(Default)]
pub(super) struct Rules {
    /// In the order of nginx: the first that applies is used.
    pub(super) rewrites: Vec<Item>,
    pub(super) answers: Vec<Item>,
    own: Answers,
}

impl Rules {
    /// Sends requests with these conditions to a path.
    pub(super) fn lead(&mut self, conditions: &[Line], to: &str) {
        let mut line = Line::new(["rewrite"]);
        conditions.iter().cloned().for_each(|condition| line.add(condition));
        line.add(Line::new(["to", to]));
        self.rewrites.push(line.into());
    }

    fn redirect(&mut self, conditions: &[Line], code: u16, to: &str) {
        let mut line = Line::new(["redir", &code.to_string()]);
        conditions.iter().cloned().for_each(|condition| line.add(condition));
        line.add(Line::new(["/", to]));
        self.answers.push(line.into());
    }

    /// Answers requests with these conditions with a status.
    pub(super) fn status(&mut self, conditions: &[Line], answer: impl Into<Answer>) {
        let path = self.path(answer);
        self.lead(conditions, &path);
    }

    /// The path whose requests get an answer.
    fn path(&mut self, answer: impl Into<Answer>) -> String {
        let (path, line) = self.own.path(answer.into());
        self.answers.extend(line.map(Item::from));
        path
    }

    /// An `if` whose condition is not known here: what it keeps out, nobody gets.
    fn unknown(&mut self, block: &Directive, conditions: &[Line]) {
        let refuses = |one: &Directive| one.name == "return" && one.arg(0).starts_with('4');
        if block.block().iter().any(refuses) {
            self.note(block, "no condition of ours: nobody is let in");
            self.status(conditions, 403);
        } else {
            self.note(block, "no condition of ours: left out");
        }
    }

    fn note(&mut self, one: &Directive, why: &str) {
        self.answers.push(note(&one.at, format!("{}: {why}", one.shown())));
    }
}

/// A path whose requests all get the status.
pub(super) struct Whole<'a>(pub(super) &'a str);

/// `return` under conditions; `whole`: they are those of a path.
pub(super) fn returned(
    one: &Directive,
    conditions: &[Line],
    whole: Option<&Whole<'_>>,
    scope: &Scope<'_>,
    rules: &mut Rules,
) {
    let first = one.arg(0);
    let is_url = ["http://", "https://", "$scheme://"].iter().any(|start| first.starts_with(start));
    let (code, text) = match first.parse::<u16>() {
        Ok(code) => (code, one.arg(1)),
        Err(_) if is_url => (302, first),
        Err(_) => return rules.note(one, "no status: left out"),
    };
    if matches!(code, 301 | 302 | 303 | 307 | 308) && !text.is_empty() {
        match values::text(text) {
            Ok(_) if values::has_group(text) => {
                rules.note(one, "groups of a location are not known in a redirect: left out");
            }
            Ok(to) => rules.redirect(conditions, code, &to),
            Err(variable) => rules.note(one, &format!("{variable} has no placeholder: left out")),
        }
        return;
    }
    let code = match code {
        444 => {
            rules.note(one, "the connection is not closed; the answer is 403");
            403
        }
        200..=599 => code,
        _ => return rules.note(one, "status codes are 200 to 599 here: left out"),
    };
    let answer = match values::text(text) {
        Ok(text) => Answer::new(code, text, type_of(conditions, scope)),
        Err(variable) => {
            rules.note(one, &format!("{variable} has no placeholder: sent without the text"));
            code.into()
        }
    };
    match whole {
        Some(Whole(path)) => rules.answers.push(answer.line(path).into()),
        None => rules.status(conditions, answer),
    }
}

/// nginx goes by the extension of the path, here where it is one path only, and by `default_type`.
fn type_of<'a>(conditions: &[Line], scope: &Scope<'a>) -> &'a str {
    let path = conditions.iter().find_map(|line| match line.words() {
        [_, left, operator, path] if left == "{path}" && operator == "is" => Some(path),
        _ => None,
    });
    let known = path.and_then(|path| mime_guess::from_path(path).first_raw());
    known.unwrap_or_else(|| scope.word("default_type"))
}

/// `rewrite` under conditions.
pub(super) fn rewritten(one: &Directive, conditions: &[Line], rules: &mut Rules) {
    let (to, flag) = (one.arg(1), one.arg(2));
    let Some(from) = pattern(one.arg(0), false) else {
        return rules.note(one, "no regular expression of ours: left out");
    };
    let (host, path) = split(to);
    let code = match flag {
        "permanent" => Some(301),
        "redirect" => Some(302),
        _ => (!host.is_empty()).then_some(302),
    };
    if values::has_group(host) {
        return rules.note(one, "a group in the name of a host: left out");
    }
    let (host, path) = match (values::text(host), values::text(path.trim_end_matches('?'))) {
        (Ok(host), Ok(path)) => (host, path),
        (Err(variable), _) | (_, Err(variable)) => {
            return rules.note(one, &format!("{variable} has no placeholder: left out"));
        }
    };
    let mut guards = conditions.to_vec();
    guards.push(Line::new(["if", "{path}", "match", &from]));
    let Some(code) = code else {
        rules.rewrites.push(moved(&from, conditions, &target(&path, to)).into());
        return;
    };
    if path == "{uri}" || path.is_empty() {
        let path = if path.is_empty() { "/" } else { &*path };
        return rules.redirect(&guards, code, &format!("{host}{path}"));
    }
    // The rewrite makes the path, and keeps the query as nginx does.
    rules.rewrites.push(moved(&from, conditions, &target(&path, to)).into());
    rules.redirect(&guards, code, &format!("{host}{{rewrite_uri}}"));
}

/// The target of a `rewrite`: nginx appends the query unless the last character is `?`.
fn target(path: &str, written: &str) -> String {
    match (written.ends_with('?'), path.contains('?')) {
        (true, false) => format!("{path}?"),
        (false, true) if !path.contains("{query}") => format!("{path}&{{query}}"),
        _ => path.to_owned(),
    }
}

fn moved(from: &str, conditions: &[Line], to: &str) -> Line {
    if conditions.is_empty() {
        return Line::new(["rewrite", from, to]);
    }
    let mut line = Line::new(["rewrite"]).with(Line::new(["regexp", from]));
    conditions.iter().cloned().for_each(|condition| line.add(condition));
    line.with(Line::new(["to", to]))
}

/// Scheme and host of a URL, which may be missing, and the rest.
fn split(url: &str) -> (&str, &str) {
    let schemes = ["http://", "https://", "$scheme://"];
    let Some(scheme) = schemes.iter().find(|scheme| url.starts_with(**scheme)) else {
        return ("", url);
    };
    let rest = &url[scheme.len()..];
    let ends = ["/", "$request_uri", "$uri", "$1", "?"];
    let end = ends.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
    url.split_at(scheme.len() + end)
}

/// `if` with a `return` or a `rewrite` in it.
pub(super) fn conditional(
    block: &Directive,
    conditions: &[Line],
    scope: &Scope<'_>,
    rules: &mut Rules,
) {
    let text = block.args.join(" ");
    let text = text.trim();
    let text = text.strip_prefix('(').unwrap_or(text);
    let text = text.strip_suffix(')').unwrap_or(text).trim();
    let is_missing = matches!(text, "!-e $request_filename" | "!-f $request_filename");
    let mut all = conditions.to_vec();
    if !is_missing {
        match condition(text) {
            Some(line) => all.push(line),
            None => return rules.unknown(block, conditions),
        }
    }
    for one in block.block() {
        match &*one.name {
            "return" if !is_missing => returned(one, &all, None, scope, rules),
            "rewrite" if is_missing => unless_file(one, conditions, rules),
            "rewrite" => rewritten(one, &all, rules),
            "break" => {}
            _ => rules.note(one, "in an `if`: left out"),
        }
    }
}

/// A rewrite of paths that no file has.
fn unless_file(one: &Directive, conditions: &[Line], rules: &mut Rules) {
    let is_internal = matches!(one.arg(2), "" | "last" | "break") && one.arg(1).starts_with('/');
    match (pattern(one.arg(0), false), values::text(one.arg(1).trim_end_matches('?'))) {
        (Some(from), Ok(to)) if is_internal => {
            let mut line = Line::new(["rewrite"]).with(Line::new(["regexp", &from]));
            conditions.iter().cloned().for_each(|condition| line.add(condition));
            let to = target(&to, one.arg(1));
            rules.rewrites.push(line.with(Line::new(["to", "{path}", "{path}/", &to])).into());
        }
        _ => rules.note(one, "in an `if` about files: left out"),
    }
}

/// `$variable OPERATOR VALUE`.
fn condition(text: &str) -> Option<Line> {
    let mut words = text.splitn(3, ' ');
    let left = words.next()?;
    let left = values::text(left).ok().filter(|_| left.starts_with('$'))?;
    let Some(operator) = words.next() else {
        return Some(Line::new(["if", &left, "not", ""]));
    };
    let right = words.next().unwrap_or_default().trim();
    let right = right.trim_matches(['"', '\'']);
    let (operator, right) = match operator {
        "=" => ("is", values::text(right).ok()?),
        "!=" => ("not", values::text(right).ok()?),
        "~" => ("match", pattern(right, false)?),
        "~*" => ("match", pattern(right, true)?),
        "!~" => ("not_match", pattern(right, false)?),
        "!~*" => ("not_match", pattern(right, true)?),
        _ => return None,
    };
    Some(Line::new(["if", &left, operator, &right]))
}

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
        _ => Ok(format!("/{last}{{path}}")),
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

/// The rules of a server or a location itself: `return`, `rewrite` and `if`.
pub(super) fn own(scope: &Scope<'_>, conditions: &[Line], rules: &mut Rules) {
    for one in scope.own() {
        match &*one.name {
            "rewrite" => rewritten(one, conditions, rules),
            "if" => conditional(one, conditions, scope, rules),
            _ => {}
        }
    }
}
