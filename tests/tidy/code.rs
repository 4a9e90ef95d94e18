//! Rust read as text: what of a file is code, and where its items begin and end.

use std::collections::BTreeMap;
use std::ops::Range;

/// The names right behind `path::`, `path::{…}` included, with where they stand.
pub(super) fn named_behind(code: &str, path: &str) -> Vec<(usize, String)> {
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

pub(super) fn is_name(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

/// Where each `fn NAME` stands.
pub(super) fn functions(code: &str) -> BTreeMap<usize, String> {
    code.match_indices("fn ")
        .filter(|(at, _)| !code[..*at].ends_with(is_name))
        .map(|(at, word)| (at, leading_name(&code[at + word.len()..])))
        .filter(|(_, name)| !name.is_empty())
        .collect()
}

/// Whether a parameter of the function that begins here is a tuple, by its pattern or its type.
pub(super) fn takes_tuple(function: &str) -> bool {
    let (mut angles, mut before) = (0_i32, ' ');
    let open = function.char_indices().find(|(_, letter)| {
        match letter {
            '<' => angles += 1,
            '>' if before != '-' => angles -= 1,
            _ => {}
        }
        before = *letter;
        *letter == '(' && angles == 0
    });
    let Some((open, _)) = open else { return false };
    split_parameters(&function[open + 1..]).into_iter().any(|parameter| {
        let (pattern, kind) = parameter.split_once(": ").unwrap_or((parameter, ""));
        let kind = kind.trim_start_matches('&').trim_start_matches("mut ");
        // `(dyn Trait + 'static)` is in parentheses and no tuple.
        [parameter, pattern, kind].iter().any(|part| {
            let inner = part.trim().strip_prefix('(');
            inner.is_some_and(|inner| split_parameters(inner).len() > 1)
        })
    })
}

/// What commas separate, up to the parenthesis that closes the list.
fn split_parameters(list: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    let mut before = ' ';
    for (at, letter) in list.char_indices() {
        match letter {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' if depth == 0 => {
                parts.push(&list[start..at]);
                break;
            }
            '>' if before == '-' => {}
            ')' | ']' | '}' | '>' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        before = letter;
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// What is between the braces of the item at `at`; `None` when it ends in `;`.
pub(super) fn body_of(code: &str, at: usize) -> Option<Range<usize>> {
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

/// The items at the start of a line that end in `;`, without their attributes and visibility.
pub(super) fn statements(code: &str) -> Vec<&str> {
    let mut all = Vec::new();
    for (at, word) in code.match_indices("use ").chain(code.match_indices("mod ")) {
        let line = code[..at].rfind('\n').map_or(0, |end| end + 1);
        let before = code[line..at].trim();
        let is_item = before.is_empty() || before == "pub" || before.starts_with("pub(");
        let rest = &code[at + word.len()..];
        let Some(end) = rest.find(';').filter(|_| is_item) else { continue };
        if word == "mod " && rest[..end].contains('{') {
            continue;
        }
        all.push(&code[at..at + word.len() + end]);
    }
    all
}

/// What is compiled for tests only, or for tests and for fuzzing.
pub(super) fn test_items(code: &str) -> Vec<Range<usize>> {
    let marks = ["#[cfg(test)]", "#[cfg(any(test, fuzzing))]"];
    let marks = marks.iter().flat_map(|mark| code.match_indices(mark));
    marks
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
pub(super) fn code_of(text: &str) -> String {
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
pub(super) fn blank(text: &str) -> String {
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
    let code = "#[cfg(test)]\nmod t { fn f() { x } }\nfn g(a: [u8; 4]) { }
#[cfg(any(test, fuzzing))]\npub mod f;\n#[cfg(unix)]\nmod u;";
    let tests: Vec<_> = test_items(code).into_iter().map(|range| &code[range]).collect();
    let fuzzing = "#[cfg(any(test, fuzzing))]\npub mod f;";
    assert_eq!(tests, ["#[cfg(test)]\nmod t { fn f() { x } }", fuzzing]);
}

#[test]
fn tuples_among_parameters_are_found() {
    for (function, expected) in [
        ("fn f(a: u8, (b, c): (u8, u8)) {}", true),
        ("fn f(a: u8, how: &mut (u8, u16)) {}", true),
        ("fn f<F: Fn(u8) -> (u8, u8)>((a, b): (u8, u8), f: F) {}", true),
        ("fn f(error: &(dyn Error + 'static)) {}", false),
        ("fn f(all: &[(u8, u8)], f: impl Fn(u8, u8) -> (u8, u8)) -> (u8, u8) {}", false),
        ("fn f() -> (u8, u8) { g((1, 2)) }", false),
    ] {
        assert_eq!(takes_tuple(function), expected, "{function}");
    }
}
