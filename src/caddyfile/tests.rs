//! The grammar: what a text is parsed into, and with which error it is refused.

use std::path::Path;

use super::parser::{Parsed, read_with};
use crate::caddyfile::ConfigError;
use crate::caddyfile::lexer::scan;

const KNOWN: &[&str] = &["dir1", "dir2", "dir3", "proxy", "tls"];

fn env(name: &str) -> Option<String> {
    let value = match name {
        "PORT" => "8080",
        "ADDRESS" => "servername.com",
        "FOOBAR" => "foobar",
        "PARTIAL_DIR" => "r1",
        _ => return None,
    };
    Some(value.to_owned())
}

fn read(text: &str, dir: &Path) -> Result<Parsed, ConfigError> {
    read_with(scan("Caddyfile", text), dir, KNOWN, &env).whole()
}

/// `key,key|dir1:3 dir2:1`, blocks joined by ` ; `.
fn shape(parsed: &Parsed) -> String {
    let blocks = parsed.blocks.iter().map(|block| {
        let keys: Vec<_> = block.keys.iter().map(|k| k.text.clone()).collect();
        let directives: Vec<_> =
            block.directives.iter().map(|d| format!("{}:{}", d.name, d.tokens.len())).collect();
        format!("{}|{}", keys.join(","), directives.join(" "))
    });
    blocks.collect::<Vec<_>>().join(" ; ")
}

#[test]
fn reads_blocks() {
    let cases = [
        ("localhost", "localhost|"),
        ("localhost\ndir1", "localhost|dir1:1"),
        ("localhost {\ndir1\n}", "localhost|dir1:1"),
        ("localhost:1234 {\ndir1 foo bar\ndir2\n}", "localhost:1234|dir1:3 dir2:1"),
        ("a b {\n}", "a,b|"),
        ("a, b {\n}", "a,b|"),
        (
            "host1:80, http://host2.com\ndir1 foo bar\ndir2 baz",
            "host1:80,http://host2.com|dir1:3 dir2:2",
        ),
        ("a,\nb,\nc", "a,b,c|"),
        ("127.0.0.1\ndir1 {\nbar baz\n}\ndir2 {\nfoo bar\n}", "127.0.0.1|dir1:5 dir2:5"),
        ("h\ndir1 {\na {\nb\n}\n}\ndir2 foo bar", "h|dir1:7 dir2:3"),
        ("\"\"", ""),
        ("", ""),
        ("# only\n", ""),
        ("localhost:1234, http://host2", "localhost:1234,http://host2|"),
        ("import notfound/*", ""),
        ("{$ADDRESS}", "servername.com|"),
        ("{$ADDRESS}:{%PORT%}", "servername.com:8080|"),
        (":{$PORT$}", ":|"),
        ("h\ndi{$PARTIAL_DIR}", "h|dir1:1"),
        ("foo#bar baz", "foo,baz|"),
        ("h\n{\ndir1\n}", "h|dir1:1"),
        ("h {\ndir1 {\n}", "h|dir1:3"),
        ("a , b", "a,,b|"),
        ("h\ndir1 x\n{\ny\n}", "h|dir1:5"),
        ("h\n}\nx\ndir2", "h| ; x|dir2:1"),
        ("h {\ndir1 import\n}", "h|dir1:2"),
        ("h {\ndir1 a\ndir2\ndir1 b\n}", "h|dir1:4 dir2:1"),
        ("(s) {\ndir1 a\n}\nh {\nimport s\nimport s\n}", "h|dir1:4"),
        ("(s) {\nx y\n}\nh {\ndir1 {\nimport s\n}\n}", "h|dir1:5"),
    ];
    for (text, expected) in cases {
        let parsed = read(text, Path::new("/nonexistent")).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(shape(&parsed), expected, "{text:?}");
    }
}

#[test]
fn arguments_get_the_environment() {
    let cases = [
        (":{%PORT%}\ndir1 {$FOOBAR}", "foobar"),
        ("h\ndir1 {%ADDRESS}", "{%ADDRESS}"),
        ("h\ndir1 \"{{ .Name }} {$FOOBAR}\"", "{{ .Name }} foobar"),
    ];
    for (text, expected) in cases {
        let parsed = read(text, Path::new("/")).unwrap();
        assert_eq!(parsed.blocks[0].directives[0].tokens[1].text, expected);
    }
}

#[test]
fn refuses_with_place_and_reason() {
    let cases = [
        ("localhost\ndir1 {\nfoo", "3 - Parse error: Unexpected EOF"),
        (
            "localhost\ndir1 {\n} }",
            "3 - Parse error: Unexpected '}' because no matching opening brace",
        ),
        ("import not_found.txt", "1 - Parse error: File to import not found: not_found.txt"),
        ("import }{$\"", "1 - Parse error: File to import not found"),
        ("import /*/*.txt", "1 - Parse error: Glob pattern may only contain one wildcard (*)"),
        ("import /??", "1 - Parse error: Glob pattern may only contain one wildcard (*)"),
        ("import /[a-z]", "1 - Parse error: File to import not found"),
        ("import {%}", "1 - Parse error: File to import not found"),
        ("import {$$}", "1 - Parse error: Import requires a non-empty filepath"),
        ("import a b", "1 - Parse error: Import takes only one argument"),
        ("import", "1 - Parse error: Wrong argument count or unexpected line ending after"),
        ("a, {\n}", "1 - Parse error: Expected another address but had '{'"),
        ("localhost:1234, http://host2,", "1 - Parse error: Unexpected EOF"),
        ("a,", "1 - Parse error: Unexpected EOF"),
        ("h{\ndir1\n}", "1 - Parse error: Expected a space before '{'"),
        ("h {\n}\n}", "3 - Parse error: Unexpected '}' because no matching opening brace"),
        ("h {\ndir1 a", "2 - Syntax error: Unexpected token 'a', expecting '}'"),
        ("h {", "1 - Syntax error: Unexpected token '{', expecting '}'"),
        ("h\nnope", "2 - Parse error: Unknown directive 'nope'"),
        ("\"unterminated x", "1 - Syntax error: Unterminated quote"),
        ("a\nA {\n}\nb {\n}", "2 - Parse error: Unknown directive 'A'"),
        ("a {\n}\nA {\n}", "3 - Parse error: duplicate site address: A"),
        ("(s)\ndir1", "1 - Parse error: snippet s must have braces"),
        ("(s) {\n}\n(s) {\n}", "3 - Parse error: redeclaration of previously declared snippet s"),
        (
            "(s) {\nimport s\n}\nh {\nimport s\n}",
            "2 - Parse error: Could not import s: import loop",
        ),
    ];
    for (text, expected) in cases {
        let error = read(text, Path::new("/nonexistent")).unwrap_err();
        let shown = error.to_string();
        assert!(shown.starts_with(&format!("Caddyfile:{expected}")), "{text:?}: {shown}");
        assert!(error.hint.is_some() && shown.contains("  --> Caddyfile:"), "{text:?}: {shown}");
    }
}

#[test]
fn names_the_nearest_directive() {
    let error = read("h\nprxoy / a", Path::new("/")).unwrap_err().to_string();
    assert!(error.ends_with("hint: did you mean `proxy`?"), "{error}");
}

#[test]
fn the_article_s_file_loads_with_a_warning() {
    let text = "https://example.jp {\nproxy / ip:8080 {\nheader_upstream Host {host}\n\
                header_upstream X-Forwarded-For {remote}\n}\ntls admin@mail.example.jp {\n}\n";
    let parsed = read(text, Path::new("/")).unwrap();
    assert_eq!(shape(&parsed), "https://example.jp|proxy:11 tls:4");
    assert!(parsed.warnings[0].to_string().starts_with("Caddyfile:1:20 - the block opened here"));
}

#[test]
fn imports_files() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("lines", "dir2 arg1 arg2\ndir3");
    write("site", "host1 {\ndir1\ndir2 arg1\n}");
    write("glob0.txt", "a {\n}\nb {\n}");
    write("glob1.txt", "c {\n}");
    write("glob2.txt", "d {\n}");
    write("loop", "import loop");
    write("bad", "h\nnope");
    let good = [
        ("localhost\ndir1 arg1\nimport lines", "localhost|dir1:2 dir2:3 dir3:1"),
        ("import site", "host1|dir1:1 dir2:2"),
        ("import glob*.txt", "a| ; b| ; c| ; d|"),
    ];
    for (text, expected) in good {
        let got = shape(&read(text, dir.path()).unwrap());
        assert_eq!(got, expected, "{text:?}");
    }
    let refused = [
        ("import loop", "Could not import loop: import loop"),
        ("import .", "is a directory"),
        ("import bad", "/bad:2 - Parse error: Unknown directive 'nope'"),
    ];
    for (text, expected) in refused {
        let shown = read(text, dir.path()).unwrap_err().to_string();
        assert!(shown.contains(expected), "{text:?}: {shown}");
    }
}
