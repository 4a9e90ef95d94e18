//! What a site has beside what was translated: a guard of its own paths; and no line twice.

use std::collections::HashMap;

use super::page::{Item, Line, Site, note};
use super::pattern::escaped;

/// The lines of a site as they are written.
pub(super) fn of(site: &Site) -> Vec<Item> {
    guarded(site, once(site))
}

/// Each path has one `status` and one `redir`: two would be an error. A refusal goes before others.
fn once(site: &Site) -> Vec<Item> {
    let mut body: Vec<Item> = Vec::with_capacity(site.body.len());
    let mut seen: HashMap<(bool, String), (usize, Line)> = HashMap::new();
    for item in &site.body {
        let Item::Line(line) = item else {
            body.push(item.clone());
            continue;
        };
        let Some(key) = key(line) else {
            body.push(item.clone());
            continue;
        };
        match seen.get_mut(&key) {
            None => {
                seen.insert(key, (body.len(), line.clone()));
                body.push(item.clone());
            }
            Some((at, first)) if is_refusal(line) && !is_refusal(first) => {
                body[*at] = item.clone();
                first.clone_from(line);
            }
            Some((_, first)) if first.words != line.words => {
                let text = format!("{}: its path has {} here", shown(line), shown(first));
                body.push(note(&site.at, text));
            }
            Some(_) => {}
        }
    }
    body
}

fn shown(line: &Line) -> String {
    line.words.join(" ")
}

fn is_refusal(line: &Line) -> bool {
    line.is("status") && line.words.get(1).is_some_and(|code| code.starts_with(['4', '5']))
}

/// The path of a line that must be the only one for it. Letter case does not count in it.
fn key(line: &Line) -> Option<(bool, String)> {
    let path = match &line.words[..] {
        [name, _, path] if name == "status" => path,
        [name, path, _, ..] if name == "redir" && path.starts_with('/') => path,
        _ => return None,
    };
    Some((line.is("status"), path.to_lowercase()))
}

/// The paths of the translation's own, such as `/@location-1`, are for what `rewrite` leads there:
/// a client that asks for one itself would get past the rules of the path that it stands for.
fn guarded(site: &Site, mut body: Vec<Item>) -> Vec<Item> {
    let mut marks = Vec::new();
    body.iter().for_each(|item| collect_marks(item, &mut marks));
    let is_rewrite = |item: &Item| matches!(item, Item::Line(one) if one.is("rewrite"));
    let (false, Some(first)) = (marks.is_empty(), body.iter().position(is_rewrite)) else {
        return body;
    };
    let address = site.addresses.first().map_or("", |one| one.split("://").last().unwrap_or(one));
    let base = address.find('/').map_or("", |at| address[at..].trim_end_matches('/'));
    let names = marks.join("|");
    let base = if base.is_empty() { String::new() } else { format!("(?:{})?", escaped(base)) };
    let pattern = format!("(?i)^{base}/@(?:{names})(?:/|$)");
    let unknown = "/@status-404";
    let guard = Line::new(["rewrite"])
        .with(Line::new(["if", "{path}", "match", &pattern]))
        .with(Line::new(["to", unknown]));
    body.insert(first, guard.into());
    let answer = ["status", "404", unknown];
    if !body.iter().any(|item| matches!(item, Item::Line(one) if one.words[..] == answer)) {
        body.push(Line::new(answer).into());
    }
    body
}

/// The names behind `/@` to which `rewrite` leads, for a regular expression.
fn collect_marks(item: &Item, marks: &mut Vec<String>) {
    let Item::Line(line) = item else { return };
    line.block.iter().for_each(|item| collect_marks(item, marks));
    if !line.is("to") {
        return;
    }
    for mark in line.words.iter().filter_map(|word| word.strip_prefix("/@")) {
        let name = escaped(mark.split(['/', '{']).next().unwrap_or_default());
        if !marks.contains(&name) {
            marks.push(name);
        }
    }
}
