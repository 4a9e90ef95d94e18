//! The specification's "Test facts" of the parser, one table each.

use std::path::Path;

use super::parser::{Parsed, parse_with};

const KNOWN: &[&str] = &["dir1", "dir2", "dir3"];

fn parsed(text: &str, dir: &Path) -> Result<Parsed, String> {
    let env = |name: &str| match name {
        "PORT" => Some("8080".to_owned()),
        "ADDRESS" => Some("servername.com".to_owned()),
        "FOOBAR" => Some("foobar".to_owned()),
        "PARTIAL_DIR" => Some("r1".to_owned()),
        _ => None,
    };
    parse_with("Caddyfile", text, dir, (KNOWN, &env)).map_err(|error| error.to_string())
}

/// `keys|directive:tokens …`, blocks separated by ` ; `.
fn shape(parsed: &Parsed) -> String {
    let block = |block: &super::ServerBlock| {
        let keys: Vec<_> = block.keys.iter().map(|key| key.text.as_str()).collect();
        let runs = block.directives.iter().map(|d| format!("{}:{}", d.name, d.tokens.len()));
        format!("{}|{}", keys.join(","), runs.collect::<Vec<_>>().join(" "))
    };
    parsed.blocks.iter().map(block).collect::<Vec<_>>().join(" ; ")
}

#[test]
fn blocks() {
    for (text, expected) in [
        ("localhost", "localhost|"),
        ("localhost\ndir1", "localhost|dir1:1"),
        ("localhost {\ndir1\n}", "localhost|dir1:1"),
        ("localhost:1234 {\ndir1 foo bar\ndir2\n}", "localhost:1234|dir1:3 dir2:1"),
        ("host1 host2 {\n}", "host1,host2|"),
        ("host1, host2 {\n}", "host1,host2|"),
        (
            "host1:80, http://host2.com\ndir1 foo bar\ndir2 baz",
            "host1:80,http://host2.com|dir1:3 dir2:2",
        ),
        ("a,\nb,\nc", "a,b,c|"),
        ("127.0.0.1\ndir1 {\nbar baz\n}\ndir2 {\nfoo bar\n}", "127.0.0.1|dir1:5 dir2:5"),
        ("h\ndir1 {\na {\nb\n}\n}\ndir2 foo bar", "h|dir1:7 dir2:3"),
        ("\"\"", ""),
        ("h\n{\ndir1\n}", "h|dir1:1"),
        ("a , b", "a,,b|"),
        ("h\ndir1 x\n{\ny\n}", "h|dir1:5"),
        ("h\n}\nx\ndir2", "h| ; x|dir2:1"),
        ("h {\ndir1 import\n}", "h|dir1:2"),
        ("h{\ndir1\n}", "h{|dir1:1"),
        ("h\ndir1 a\ndir2\ndir1 b c", "h|dir1:5 dir2:1"),
        ("{$ADDRESS}:{%PORT%}\ndi{$PARTIAL_DIR} {$FOOBAR}", "servername.com:8080|dir1:2"),
        ("(s) {\ndir1 x\n}\nh {\nimport s\ndir2\nimport s\n}", "h|dir1:4 dir2:1"),
        ("h {\ndir1 {\nimport s\n}\n}", ""),
    ] {
        let result = parsed(text, Path::new("."));
        match result {
            Ok(result) => assert_eq!(shape(&result), expected, "{text:?}"),
            Err(error) => {
                assert!(error.contains("File to import not found: s"), "{text:?}: {error}")
            }
        }
    }
}

#[test]
fn refusals() {
    for (text, first_line) in [
        ("localhost\ndir1 {\nfoo", "Caddyfile:2 - Parse error: Unexpected EOF"),
        (
            "localhost\ndir1 {\n} }",
            "Caddyfile:3 - Parse error: Unexpected '}' because no matching opening brace",
        ),
        ("h {\ndir1 a", "Caddyfile:2 - Syntax error: Unexpected token 'a', expecting '}'"),
        ("h {", "Caddyfile:1 - Syntax error: Unexpected token '{', expecting '}'"),
        ("a,", "Caddyfile:1 - Parse error: Unexpected EOF"),
        (
            "a, {\n}",
            "Caddyfile:1 - Parse error: Expected another address but had '{' - check for extra comma",
        ),
        ("h\nnope", "Caddyfile:2 - Parse error: Unknown directive 'nope'"),
        ("import", "Caddyfile:1 - Parse error: Import requires a non-empty filepath"),
        (
            "import a b",
            "Caddyfile:1 - Parse error: Import takes only one argument (glob pattern or file)",
        ),
        (
            "import not_found.txt",
            "Caddyfile:1 - Parse error: File to import not found: not_found.txt",
        ),
        (
            "import /*/*.txt",
            "Caddyfile:1 - Parse error: Glob pattern may only contain one wildcard (*), but has others: /*/*.txt",
        ),
        ("import {$NOTSET}", "Caddyfile:1 - Parse error: Import requires a non-empty filepath"),
        ("(s)\ndir1", "Caddyfile:1 - Parse error: snippet must have braces"),
        (
            "(s) {\n}\n(s) {\n}",
            "Caddyfile:3 - Parse error: redeclaration of previously declared snippet s",
        ),
        (
            "(s) {\nimport s\n}\nh {\nimport s\n}",
            "Caddyfile:2 - Parse error: Import loop: (s) imports itself",
        ),
        ("h\ndir1 \"a", "Caddyfile:2 - Parse error: Unterminated quote"),
    ] {
        let error = parsed(text, Path::new(".")).map(|ok| shape(&ok)).unwrap_err();
        assert_eq!(error.lines().next(), Some(first_line), "{text:?}");
        assert!(
            error.contains("hint: ") || error.contains("not found") || error.contains("Glob"),
            "{error}"
        );
    }
}

#[test]
fn an_error_shows_line_marker_and_hint() {
    let error = parsed("h {\n\tdir9 a\n}", Path::new(".")).unwrap_err();
    let expected = "Caddyfile:2 - Parse error: Unknown directive 'dir9'\n  2 | \tdir9 a\n    | \t^ \
                    column 2\n  hint: did you mean 'dir1'?";
    assert_eq!(error, expected);
}

#[test]
fn a_last_brace_that_v1_did_not_miss_is_a_warning() {
    let text = "https://example.jp {\ndir1 / x {\na b\n}\ndir2 e {\n}\n";
    let result = parsed(text, Path::new(".")).unwrap();
    assert_eq!(shape(&result), "https://example.jp|dir1:7 dir2:4");
    assert!(result.warnings[0].starts_with("Caddyfile:1 - the block of 'https://example.jp'"));
}

#[test]
fn imported_files() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("glob0", "glob0.host0 {\ndir2 arg1\n}\nglob0.host1 {\n}");
    write("glob1", "glob1.host0 {\ndir1\ndir2 arg1\n}");
    write("dirs", "dir2 arg1 arg2\ndir3");
    write("self", "dir1\nimport self");
    for (text, expected) in [
        ("import glob*", Ok("glob0.host0|dir2:2 ; glob0.host1| ; glob1.host0|dir1:1 dir2:2")),
        ("localhost\ndir1 arg1\nimport dirs", Ok("localhost|dir1:2 dir2:3 dir3:1")),
        ("import none*", Ok("")),
        ("h\nimport self", Err("imports itself")),
        ("h\nimport .", Err("is a directory")),
    ] {
        match (parsed(text, dir.path()), expected) {
            (Ok(result), Ok(expected)) => assert_eq!(shape(&result), expected, "{text:?}"),
            (Err(error), Err(part)) => assert!(error.contains(part), "{text:?}: {error}"),
            (result, _) => panic!("{text:?}: {result:?}"),
        }
    }
}
