//! What holds of a Caddyfile, whoever writes it.

use std::path::Path;

use super::import::expand;
use super::lexer::{Lexed, scan};
use super::parser::read_with;
use super::{Args, ConfigError, Token, format, parse_duration};
use crate::fuzzing::{Target, text};

/// The targets of this floor.
pub const TARGETS: &[Target] = &[
    Target { name: "caddyfile", run: caddyfile, seeds: FILES },
    Target { name: "caddyfile_words", run: words, seeds: FILES },
    Target { name: "caddyfile_format", run: formats, seeds: FILES },
    Target { name: "environment", run: environment, seeds: VARIABLES },
    Target { name: "duration", run: duration, seeds: DURATIONS },
];

const FILES: &[&[u8]] = &[
    b"localhost:8080, http://a.b {\n\tgzip {\n\t\text .html * # all\n\t}\n\theader / X \"a \\\"b\\\"\"\n}\n",
    b"(tls) {\n  tls self_signed\n}\na {\n  import tls\n}\nb {\n  import tls\n}\n",
    b"localhost\r\nroot C:\\www\nlog / stdout \"{common}\"\n}\n",
    b"\xef\xbb\xbfa,\nb\nimport none*.conf\nproxy / {$UP} {%ENV%}:80 {\n transparent\n}",
    b"a {\n gzip { }\n header { a\n b }\n}}",
    b"\"open quote\nimport (x)\n{",
    b"(x) {\n import y\n}\n(y) {\n import x\n}\nimport x\n",
];
const VARIABLES: &[&[u8]] =
    &[b"{$A}:{%B%}", b"{$$}{%%}{$}{%}", b"{$A{%B%}}", b"a{%ENV%}b{$UNSET", b"{%A$}"];
const DURATIONS: &[&[u8]] =
    &[b"1h30m", b"1.5s", b"250ms", b"3\xc2\xb5s", b"+.5s", b"9223372036.854775807s", b"-1s"];

const KNOWN: &[&str] = &["root", "gzip", "header", "log", "proxy", "tls", "import"];

fn env(name: &str) -> Option<String> {
    match name {
        "A" | "ENV" => Some("value".to_owned()),
        "B" => Some("{$A} \"{\n".to_owned()),
        _ => None,
    }
}

/// Whatever the text, it is parsed to blocks whose every word has its place in it, and errors
/// that have theirs. What stands in the blocks is walked to its end.
fn caddyfile(data: &[u8]) {
    let whole = text(data);
    let lexed = scan("F", &whole);
    if imports_files(&lexed.tokens) {
        return;
    }
    let parsed = read_with(lexed, Path::new("/nonexistent"), KNOWN, &env);
    parsed.errors.iter().for_each(|error| placed(error, &whole));
    for warning in &parsed.warnings {
        assert!(warning.to_string().starts_with("F:"), "{warning}");
    }
    for block in &parsed.blocks {
        assert!(!block.keys.is_empty());
        block.keys.iter().for_each(|key| stands(&key.token, &whole));
        for directive in &block.directives {
            assert_eq!(directive.tokens.first().map(|token| &token.text), Some(&directive.name));
            assert!(KNOWN.contains(&&*directive.name), "{}", directive.name);
            directive.tokens.iter().for_each(|token| stands(token, &whole));
            let mut args = Args::new(directive);
            let mut steps = 0;
            while args.next() {
                steps += 1 + args.remaining().len();
                loop {
                    steps += 1;
                    match args.next_block() {
                        Ok(true) => {}
                        Ok(false) => break,
                        Err(error) => return placed(&error, &whole),
                    }
                }
                assert!(steps <= 3 * directive.tokens.len(), "the cursor stands still");
            }
        }
    }
}

/// Files are the machine's: only names that cannot be found are tried.
fn imports_files(tokens: &[Token]) -> bool {
    let pairs = tokens.windows(2);
    pairs.into_iter().any(|two| two[0].text == "import" && two[1].text.contains(['/', '{', '.']))
}

fn placed(error: &ConfigError, whole: &str) {
    assert!(&*error.file == "F" && !error.message.is_empty(), "{error:?}");
    let lines = whole.matches('\n').count() as u32 + 1;
    assert!((1..=lines).contains(&error.line) && error.column >= 1, "{error:?}");
    let shown = error.to_string();
    assert!(shown.starts_with(&format!("F:{} - ", error.line)), "{shown}");
    assert!(error.warning().to_string().starts_with(&format!("F:{}:", error.line)), "{shown}");
}

fn stands(token: &Token, whole: &str) {
    let whole = whole.strip_prefix('\u{feff}').unwrap_or(whole);
    let line = whole.split('\n').nth(token.line as usize - 1);
    let there = line.and_then(|line| line.chars().nth(token.column as usize - 1));
    let Some(there) = there else { panic!("{token:?} is nowhere") };
    let wrote = there == '"' || token.text.starts_with(there) || "{\r#".contains(there);
    assert!(wrote && !there.is_whitespace() || there == '\r', "{token:?} stands on {there:?}");
}

/// Words that are written again in quotes are the same words.
fn words(data: &[u8]) {
    let whole = text(data);
    let Some(tokens) = lexed(&whole) else { return };
    let mut again = String::new();
    for token in &tokens {
        // `\` before `"` is the one thing that quotes cannot hold.
        if token.text.contains('\\') {
            return;
        }
        again.push('"');
        again.push_str(&token.text.replace('"', "\\\""));
        again.push_str("\" ");
    }
    let Some(same) = lexed(&again) else { panic!("{again}") };
    let texts = |tokens: &[Token]| tokens.iter().map(|t| t.text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&same), texts(&tokens), "{again}");
}

/// A text in its usual form has the same words on the same lines, and has that form already.
fn formats(data: &[u8]) {
    let whole = text(data);
    let Ok(formatted) = format("F", &whole) else {
        assert!(lexed(&whole).is_none());
        return;
    };
    let words = |text: &str| -> Vec<(String, bool)> {
        let Some(tokens) = lexed(text) else { panic!("{text}") };
        let nexts = tokens.iter().skip(1).map(Some).chain([None]);
        let ends = |(one, next): (&Token, Option<&Token>)| {
            (one.text.clone(), next.is_some_and(|next| one.shares_line(next)))
        };
        tokens.iter().zip(nexts).map(ends).collect()
    };
    assert_eq!(words(&formatted), words(&whole), "{whole:?} as {formatted:?}");
    assert_eq!(format("F", &formatted).ok().as_ref(), Some(&formatted));
}

/// The tokens of a text without an error.
fn lexed(text: &str) -> Option<Vec<Token>> {
    let Lexed { tokens, errors, .. } = scan("F", text);
    errors.is_empty().then_some(tokens)
}

/// Text without variables is itself, and a variable is its value.
fn environment(data: &[u8]) {
    let written = text(data);
    let expanded = expand(&written, &env);
    if !written.contains(['$', '%']) {
        assert_eq!(expanded, written);
    }
    assert!(expanded.len() <= written.len() * 8, "{expanded}");
    let plain = written.replace(['{', '}'], "");
    assert_eq!(expand(&format!("{{$A}}{plain}"), &env), format!("value{plain}"));
    assert_eq!(expand(&format!("{plain}{{$UNSET}}"), &env), plain);
}

/// A duration in nanoseconds is the same duration, and is one that Go has.
fn duration(data: &[u8]) {
    let written = text(data);
    match parse_duration(&written) {
        Ok(duration) => {
            let nanos = duration.as_nanos();
            assert!(nanos <= i64::MAX as u128);
            assert_eq!(parse_duration(&format!("{nanos}ns")), Ok(duration));
            let doubled = parse_duration(&format!("{nanos}ns{nanos}ns"));
            assert_eq!(
                doubled.ok(),
                duration.checked_mul(2).filter(|d| d.as_nanos() <= i64::MAX as u128)
            );
        }
        Err(why) => assert!(why.starts_with("must be a duration"), "{why}"),
    }
}

#[cfg(test)]
#[test]
fn promises_hold_for_any_bytes() {
    crate::fuzzing::hold(TARGETS, 1000);
}
