//! The rules of the house, held by reading the sources as text: heads, sizes, who imports whom,
//! the table of directives, and what may not be written. Each rule is one test that lists every
//! offender.

#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/source.rs"]
mod source;

use std::fmt::Write as _;
use std::path::Path;

use code::{blank, body_of, functions, is_name, named_behind};
use source::{Source, first_part, read, root, sources};

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

/// A top-level module of `src`, and the ones it may name. `lib.rs` is exempt: it lists them.
static FLOORS: &[(&str, &[&str])] = &[
    ("daemon", &[]),
    ("warning", &[]),
    ("caddyfile", &["warning"]),
    ("http", &[]),
    ("tls", &[]),
    ("chain", &["http"]),
    ("site", &["http", "chain", "tls", "warning"]),
    ("upstream", &["http"]),
    ("server", &["http", "chain", "site", "tls"]),
    ("directives", &["caddyfile", "http", "tls", "chain", "site", "upstream", "warning"]),
    ("config", &["caddyfile", "site", "directives", "tls", "http", "chain", "warning"]),
    ("run", &["cli", "daemon", "config", "server", "site", "http", "tls", "warning"]),
    ("cli", &["caddyfile", "http"]),
    ("main", &["cli", "run"]),
];

#[test]
fn every_file_says_what_it_is_for() {
    check("open with `//!`", |source| {
        let head = source.text.starts_with("//! ") && !source.text.starts_with("//! (stub)");
        if head { Vec::new() } else { vec!["1".to_owned()] }
    });
}

#[test]
fn files_are_short() {
    check(&format!("have at most {FILE_LINES} lines"), |source| {
        let lines = source.text.lines().count();
        if lines > FILE_LINES { vec![format!("{lines}")] } else { Vec::new() }
    });
}

#[test]
fn functions_are_short() {
    check(&format!("have functions of at most {FUNCTION_LINES} lines"), |source| {
        let mut offenders = Vec::new();
        for (at, name) in functions(&source.code) {
            let Some(body) = body_of(&source.code, at) else { continue };
            let lines = source.code[body].lines().filter(|line| !line.trim().is_empty()).count();
            if lines > FUNCTION_LINES {
                offenders.push(format!("{} fn {name}: {lines}", source.line(at)));
            }
        }
        offenders
    });
}

#[test]
fn imports_come_from_lower_floors() {
    check("import from lower floors only", |source| {
        let own = source.top();
        if !source.path.starts_with("src") || own == "lib" {
            return Vec::new();
        }
        let Some((_, allowed)) = FLOORS.iter().find(|(name, _)| *name == own) else {
            return vec![format!("1 {own} has no row in FLOORS")];
        };
        let root = if own == "main" { "caddy" } else { "crate" };
        named_behind(&source.code, root)
            .into_iter()
            .filter(|(_, name)| *name != own && !allowed.contains(&name.as_str()))
            .filter(|(_, name)| FLOORS.iter().any(|(floor, _)| floor == name))
            .map(|(at, name)| format!("{} {own} names {name}", source.line(at)))
            .collect()
    });
}

#[test]
fn directives_are_blind_to_one_another() {
    let words = directive_modules();
    check("leave other directives alone", |source| {
        let Ok(inside) = source.path.strip_prefix("src/directives") else { return Vec::new() };
        if inside == Path::new("mod.rs") {
            return Vec::new();
        }
        let own = first_part(inside);
        let depth = inside.components().count() - usize::from(inside.ends_with("mod.rs"));
        let mut named = named_behind(&source.code, "crate::directives");
        for (climb, in_tests) in [(depth, false), (depth + 1, true)] {
            let ladder = vec!["super"; climb].join("::");
            let reached = named_behind(&source.code, &ladder).into_iter();
            named.extend(reached.filter(|(at, _)| source.in_tests(*at) == in_tests));
        }
        named
            .into_iter()
            .filter(|(_, name)| *name != own && words.contains(name))
            .map(|(at, name)| format!("{} {own} names {name}", source.line(at)))
            .collect()
    });
}

#[test]
fn every_directive_has_a_row() {
    let table = read(Path::new("src/directives/mod.rs"));
    let missing: Vec<_> = directive_modules()
        .into_iter()
        .filter(|name| name != "files" && !table.code.contains(&format!(" {name}::setup")))
        .collect();
    assert!(missing.is_empty(), "no row in DIRECTIVES (src/directives/mod.rs) for: {missing:?}");
}

#[test]
fn nothing_is_unsafe() {
    check("stay clear of `unsafe`", |source| lines_with(source, &source.code, &["unsafe"]));
}

#[test]
fn nothing_is_left_for_later() {
    let marks = ["todo!", "unimplemented!", "#[ignore"];
    check("leave nothing for later", |source| lines_with(source, &source.code, &marks));
}

#[test]
fn nothing_unwraps_outside_tests() {
    check("not unwrap outside tests", |source| {
        if !source.path.starts_with("src") || source.only_for_tests() {
            return Vec::new();
        }
        let mut code = source.code.clone();
        for range in &source.tests {
            code.replace_range(range.clone(), &blank(&source.code[range.clone()]));
        }
        lines_with(source, &code, &[".unwrap()", ".expect("])
    });
}

/// Applies a rule to every source; what it returns are the offenders' line and detail.
fn check(rule: &str, offenders: impl Fn(&Source) -> Vec<String>) {
    let mut report = String::new();
    let sources = sources();
    assert!(!sources.is_empty(), "no sources under {}", root().display());
    for source in sources {
        for offender in offenders(&source) {
            let _ = writeln!(report, "  {}:{offender}", source.path.display());
        }
    }
    assert!(report.is_empty(), "these do not {rule}:\n{report}");
}

fn directive_modules() -> Vec<String> {
    let table = read(Path::new("src/directives/mod.rs"));
    let declared = table.code.lines().filter_map(|line| line.trim().strip_prefix("mod "));
    declared.filter_map(|rest| rest.strip_suffix(';')).map(str::to_owned).collect()
}

fn lines_with(source: &Source, code: &str, marks: &[&str]) -> Vec<String> {
    let mut offenders = Vec::new();
    for mark in marks {
        for (at, _) in code.match_indices(mark) {
            let before = code[..at].chars().next_back();
            let after = code[at + mark.len()..].chars().next();
            let word = mark.ends_with(is_name);
            if word && (before.is_some_and(is_name) || after.is_some_and(is_name)) {
                continue;
            }
            offenders.push(format!("{} {mark}", source.line(at)));
        }
    }
    offenders
}
