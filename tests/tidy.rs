//! The rules of the house, held by reading the sources as text: heads, sizes, who imports whom,
//! the table of directives, and what may not be written. Each rule is one test that lists every
//! offender.

#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/rooms.rs"]
mod rooms;
#[path = "tidy/source.rs"]
mod source;

use std::fmt::Write as _;
use std::path::Path;

use code::{functions, is_name, named_behind, takes_tuple};
use imports::Imports;
use rooms::Rooms;
use source::{Source, first_part, read, root, sources};

/// Rooms with functions that still take tuples; nothing may be added to the list.
static TUPLED: &[&str] = &["src/server"];

const FILE_LINES: usize = 400;
const LINE_WIDTH: usize = 100;

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
fn lines_are_short() {
    check(&format!("have lines of at most {LINE_WIDTH} characters"), |source| {
        // Text within quotes cannot always be cut.
        let lines = source.text.lines().zip(source.code.lines()).enumerate();
        let long = lines.filter(|(_, (text, code))| {
            let is_quoted = !text.trim_start().starts_with("//") && *text != *code;
            !is_quoted && text.chars().count() > LINE_WIDTH
        });
        long.map(|(at, _)| format!("{}", at + 1)).collect()
    });
}

#[test]
fn names_in_a_folder_differ() {
    assert_eq!(names::repeated_types(), [""; 0], "types of one name in one folder");
    assert_eq!(names::similar_files(), [""; 0], "files that differ by a letter");
}

#[test]
fn parameters_are_no_tuples() {
    let (mut report, mut clean) = (String::new(), TUPLED.to_vec());
    for source in sources().iter().filter(|source| source.path.starts_with("src")) {
        for (at, name) in functions(&source.code) {
            if !takes_tuple(&source.code[at..]) {
                continue;
            }
            match TUPLED.iter().find(|room| source.path.starts_with(room)) {
                Some(tupled) => clean.retain(|room| room != tupled),
                None => {
                    let (path, line) = (source.path.display(), source.line(at));
                    let _ = writeln!(report, "  {path}:{line} fn {name}");
                }
            }
        }
    }
    for room in clean {
        let _ = writeln!(report, "  none in {room}: take it off the list TUPLED");
    }
    assert!(report.is_empty(), "these take tuples; name the parts:\n{report}");
}

#[test]
fn the_map_is_true() {
    let missing = Rooms::read().missing();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:?}");
}

#[test]
fn imports_follow_the_map() {
    let (rooms, sources) = (Rooms::read(), sources());
    let mut report = String::new();
    for (from, to, at) in Imports::of(&sources).all() {
        // `lib.rs` lists the floors.
        if from == Path::new("src/lib.rs") {
            continue;
        }
        let allowed = match (rooms.of(from), rooms.of(to)) {
            (Some(a), Some(b)) => a.place == b.place || rooms.allow(a, b),
            _ => false,
        };
        if !allowed {
            let line = sources.iter().find(|source| source.path == from).map(|s| s.line(at));
            let line = line.unwrap_or_default();
            let _ = writeln!(report, "  {}:{line} imports {}", from.display(), to.display());
        }
    }
    assert!(report.is_empty(), "ARCHITECTURE.md does not allow:\n{report}");
}

#[test]
fn files_make_no_knots() {
    let sources = sources();
    let imports = Imports::of(&sources);
    let mut report = String::new();
    for knot in imports.knots() {
        let _ = writeln!(report, "  {} files:", knot.len());
        for (from, to, _) in imports.all().filter(|(a, b, _)| knot.contains(a) && knot.contains(b))
        {
            let _ = writeln!(report, "    {} imports {}", from.display(), to.display());
        }
    }
    assert!(report.is_empty(), "these files import one another:\n{report}");
}

#[test]
fn directives_are_blind_to_one_another() {
    let words = directive_modules();
    check("leave other directives alone", |source| {
        let Ok(inside) = source.path.strip_prefix("src/directives") else { return Vec::new() };
        // Those that list them.
        if ["mod.rs", "fuzzing.rs"].iter().any(|list| inside == Path::new(list)) {
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
fn nothing_is_left_for_later() {
    let marks = ["todo!", "unimplemented!", "#[ignore"];
    check("leave nothing for later", |source| lines_with(source, &source.code, &marks));
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
    let code = table.without_tests();
    let declared = code.lines().filter_map(|line| line.trim().strip_prefix("mod "));
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
