//! The rules of the house, held by reading the sources as text: heads, sizes, who imports whom,
//! the table of directives, and what may not be written. Each rule is one test that lists every
//! offender.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

/// A top-level module of `src`, and the ones it may name. `lib.rs` is exempt: it lists them.
static FLOORS: &[(&str, &[&str])] = &[
    ("daemon", &[]),
    ("caddyfile", &[]),
    ("http", &[]),
    ("tls", &[]),
    ("chain", &["http"]),
    ("site", &["http", "chain", "tls"]),
    ("server", &["http", "chain", "site", "tls"]),
    ("directives", &["caddyfile", "http", "tls", "chain", "site"]),
    ("config", &["caddyfile", "site", "directives", "tls", "http", "chain"]),
    ("run", &["cli", "daemon", "config", "server", "site", "http", "tls"]),
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

/// One file: as written, and with comments and literals blanked, byte for byte.
struct Source {
    path: PathBuf,
    text: String,
    code: String,
    /// The items of `code` that are under `#[cfg(test)]`.
    tests: Vec<Range<usize>>,
}

impl Source {
    fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    fn in_tests(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }

    /// `http` for `src/http/body.rs`, `site` for `src/site.rs`.
    fn top(&self) -> String {
        first_part(self.path.strip_prefix("src").unwrap_or(&self.path))
    }

    /// Whether the parent declares this file under `#[cfg(test)]`.
    fn only_for_tests(&self) -> bool {
        let Some(name) = self.path.file_stem().map(|stem| stem.to_string_lossy()) else {
            return false;
        };
        let Some(folder) = self.path.parent() else { return false };
        [folder.join("mod.rs"), folder.join("lib.rs"), folder.with_extension("rs")]
            .iter()
            .filter(|parent| root().join(parent).exists() && **parent != self.path)
            .map(|parent| read(parent))
            .any(|parent| {
                let declared = format!("mod {name};");
                parent.tests.iter().any(|range| parent.code[range.clone()].contains(&declared))
            })
    }
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

fn root() -> &'static Path {
    Path::new(option_env!("CARGO_MANIFEST_DIR").unwrap_or("."))
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches"] {
        collect(Path::new(folder), &mut paths);
    }
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).into_iter().flatten().flatten() {
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(root().join(path)).unwrap_or_default();
    let code = code_of(&text);
    let tests = test_items(&code);
    Source { path: path.to_owned(), text, code, tests }
}

fn first_part(path: &Path) -> String {
    let first = path.components().next().map(|part| part.as_os_str().to_string_lossy());
    first.unwrap_or_default().trim_end_matches(".rs").to_owned()
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

/// The names right behind `path::`, `path::{…}` included, with where they stand.
fn named_behind(code: &str, path: &str) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    for (at, _) in code.match_indices(&format!("{path}::")) {
        let before = code[..at].trim_end();
        if before.ends_with("::") || code[..at].ends_with(is_name) {
            continue;
        }
        let rest = at + path.len() + 2;
        match code[rest..].trim_start().strip_prefix('{') {
            Some(group) => {
                let names = group_names(group).into_iter();
                named.extend(names.map(|name| (at, name)));
            }
            None => named.push((at, leading_name(&code[rest..]))),
        }
    }
    named
}

/// `a`, `b` and `c` of `a::{x, y}, b, c as d}`.
fn group_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                names.push(leading_name(&group[start..at]));
                start = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn leading_name(text: &str) -> String {
    text.trim_start().chars().take_while(|letter| is_name(*letter)).collect()
}

fn is_name(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

/// Where each `fn NAME` stands.
fn functions(code: &str) -> BTreeMap<usize, String> {
    code.match_indices("fn ")
        .filter(|(at, _)| !code[..*at].ends_with(is_name))
        .map(|(at, word)| (at, leading_name(&code[at + word.len()..])))
        .filter(|(_, name)| !name.is_empty())
        .collect()
}

/// What is between the braces of the item at `at`; `None` when it ends in `;`.
fn body_of(code: &str, at: usize) -> Option<Range<usize>> {
    let (mut brackets, mut braces, mut start) = (0_i32, 0_i32, None);
    for (offset, letter) in code[at..].char_indices() {
        match letter {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if brackets == 0 && start.is_none() => return None,
            '{' => {
                braces += 1;
                start.get_or_insert(at + offset + 1);
            }
            '}' => {
                braces -= 1;
                if braces == 0 {
                    return start.map(|start| start..at + offset);
                }
            }
            _ => {}
        }
    }
    None
}

fn test_items(code: &str) -> Vec<Range<usize>> {
    code.match_indices("#[cfg(test)]")
        .map(|(at, mark)| {
            let item = at + mark.len();
            let end = match body_of(code, item) {
                Some(body) => body.end + 1,
                None => code[item..].find(';').map_or(code.len(), |end| item + end + 1),
            };
            at..end
        })
        .collect()
}

/// The text with every comment, string and character literal turned into spaces.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = literal_length(rest, code.ends_with(is_name));
        if length > 0 {
            code.push_str(&blank(&rest[..length]));
            rest = &rest[length..];
        } else {
            code.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    code
}

/// Bytes of the comment or literal that `text` opens with; 0 when it opens with neither.
fn literal_length(text: &str, behind_name: bool) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    if text.starts_with('"') {
        return quoted(text, '"');
    }
    if let Some(letters) = text.strip_prefix('\'') {
        let mut letters = letters.chars();
        let escaped = letters.next() == Some('\\');
        let character = escaped || letters.next() == Some('\'');
        return if character { quoted(text, '\'') } else { 0 };
    }
    if behind_name {
        return 0;
    }
    for prefix in ["br", "cr", "r"] {
        let Some(raw) = text.strip_prefix(prefix) else { continue };
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let Some(inside) = raw[hashes..].strip_prefix('"') else { continue };
        let close = format!("\"{}", "#".repeat(hashes));
        let opened = prefix.len() + hashes + 1;
        return inside.find(&close).map_or(text.len(), |end| opened + end + close.len());
    }
    0
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let here = &text.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// As many bytes of nothing, with the line ends kept.
fn blank(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

#[test]
fn the_reader_of_sources_sees_only_code() {
    let code = code_of("a 'x' \"y\\\"\" r#\"z\"# /* b /* c */ */ &'d str // e\n'\\'' f");
    let words: Vec<_> = code.split_whitespace().collect();
    assert_eq!(words, ["a", "&'d", "str", "f"]);
    let names = named_behind("use crate::{http::{A, B}, tls}; crate::site::C", "crate");
    let names: Vec<_> = names.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["http", "tls", "site"]);
    let code = "#[cfg(test)]\nmod t { fn f() { x } }\nfn g(a: [u8; 4]) { }";
    let tests: Vec<_> = test_items(code).into_iter().map(|range| &code[range]).collect();
    assert_eq!(tests, ["#[cfg(test)]\nmod t { fn f() { x } }"]);
}
