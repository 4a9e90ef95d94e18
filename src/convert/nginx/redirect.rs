//! `return`, `rewrite` and `if`.

use super::scope::Scope;
use super::syntax::Directive;
use super::{real_ip, values};
use crate::convert::answers::{Answer, Answers};
use crate::convert::page::{Item, Line, note};
use crate::convert::pattern::pattern;

/// The rules of a site that change paths or answer without a file.
#[derive(Default)]
pub(super) struct Rules {
    /// Answers under conditions: behind a change of the path they would not be asked.
    pub(super) early: Vec<Item>,
    /// In the order of nginx: the first that applies is used.
    pub(super) rewrites: Vec<Item>,
    pub(super) answers: Vec<Item>,
    own: Answers,
}

impl Rules {
    /// Sends requests with these conditions to a path.
    pub(super) fn lead(&mut self, conditions: &[Line], to: &str) {
        self.rewrites.push(led(conditions, to));
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
        let line = led(conditions, &path);
        self.early.push(line);
    }

    /// The rules that change paths, behind the answers.
    pub(super) fn take_rewrites(&mut self) -> Vec<Item> {
        let mut all = std::mem::take(&mut self.early);
        all.append(&mut self.rewrites);
        all
    }

    /// The path whose requests get an answer.
    pub(super) fn path(&mut self, answer: impl Into<Answer>) -> String {
        let (path, line) = self.own.path(answer.into());
        self.answers.extend(line.map(Item::from));
        path
    }

    /// An `if` whose condition is not known here: what it keeps out, nobody gets.
    fn unknown(&mut self, block: &Directive, conditions: &[Line]) {
        if block.block().iter().any(is_refusal) {
            self.note(block, "no condition of ours: nobody is let in");
            self.status(conditions, 403);
        } else {
            self.note(block, "no condition of ours: left out");
        }
    }

    /// A `return` that cannot be written: what nginx answers so, nobody gets.
    fn refuse(&mut self, one: &Directive, conditions: &[Line], why: &str) {
        self.note(one, &format!("{why}: the answer is 403"));
        self.status(conditions, 403);
    }

    pub(super) fn note(&mut self, one: &Directive, why: &str) {
        self.answers.push(note(&one.at, format!("{}: {why}", one.shown())));
    }
}

fn led(conditions: &[Line], to: &str) -> Item {
    let mut line = Line::new(["rewrite"]);
    conditions.iter().cloned().for_each(|condition| line.add(condition));
    line.with(Line::new(["to", to])).into()
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
        Err(_) => return rules.refuse(one, conditions, "no status"),
    };
    if matches!(code, 301 | 302 | 303 | 307 | 308) && !text.is_empty() {
        match values::text(text) {
            Ok(_) if values::has_group(text) => {
                let why = "groups of a location are not known in a redirect";
                rules.refuse(one, conditions, why);
            }
            Ok(to) => rules.redirect(conditions, code, &to),
            Err(variable) => {
                rules.refuse(one, conditions, &format!("{variable} has no placeholder"));
            }
        }
        return;
    }
    let code = match code {
        444 => {
            rules.note(one, "the connection is not closed; the answer is 403");
            403
        }
        200..=599 => code,
        _ => return rules.refuse(one, conditions, "status codes are 200 to 599 here"),
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
pub(super) fn target(path: &str, written: &str) -> String {
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
    if text.contains("remote_addr") && real_ip::is_unknown(scope) {
        return rules.unknown(block, conditions);
    }
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

/// Whether it answers with an error.
pub(super) fn is_refusal(one: &Directive) -> bool {
    one.name == "return" && one.arg(0).starts_with(['4', '5'])
}

/// The paths to which the rules of a block lead requests, which are compared again.
pub(super) fn targets<'a>(scope: &Scope<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
    let all = scope.own().iter().flat_map(|one| match &*one.name {
        "if" => one.block().iter(),
        _ => std::slice::from_ref(one).iter(),
    });
    let target = |one: &'a Directive| match &*one.name {
        "rewrite" if matches!(one.arg(2), "" | "last") => Some(one.arg(1)),
        "try_files" => one.args.last().map(String::as_str),
        _ => None,
    };
    all.filter_map(target).filter(|to| to.starts_with(['/', '$']))
}
