//! What holds of a template, whoever writes it.

use super::{Bounds, Set, Setting, Value};
use crate::fuzzing::{Target, text};

/// The targets of this floor.
pub const TARGETS: &[Target] = &[
    Target { name: "text_template", run: template, seeds: TEMPLATES },
    Target { name: "text_template_foreign", run: foreign, seeds: TEMPLATES },
];

const TEMPLATES: &[&[u8]] = &[
    b"a {{- if eq .n 1 2}} b {{else if .list}}{{.text}}{{else}} c {{end -}} d",
    b"{{range $i, $e := .list}}{{$i}}={{$e}}{{break}}{{else}}none{{end}}{{/* c */}}",
    b"{{define \"x\"}}{{template \"x\" .}}{{end}}{{template \"x\" .text}}",
    b"{{block \"y\" (index .list 0)}}{{printf \"%5.2f %q %-9s|%x\" 1.5 . . 0x1f}}{{end}}",
    b"{{with $x := .text}}{{$x | html | len}}{{$x = `r`}}{{slice $x 0 1}}{{end}}",
    b"{{range 1000}}{{range 1000}}{{print . \"-\" $.text}}{{end}}{{end}}",
    b"{{and 1 0 | or 'a' | not}}{{js .text}}{{urlquery .text}}{{((.map).key)}}{{.map.other}}",
];

const BOUNDS: Bounds = Bounds { steps: 5_000, depth: 60, bytes: 50_000 };

fn data() -> Value {
    Value::map([
        ("n".to_owned(), Value::Int(1)),
        ("text".to_owned(), Value::foreign("<&\">")),
        ("list".to_owned(), Value::list([Value::own("a"), Value::Nil, Value::Float(2.5)])),
        ("map".to_owned(), Value::map([("key".to_owned(), Value::Bool(true))])),
    ])
}

fn run(template: &str, is_html: bool) -> Option<String> {
    let mut set = Set::default();
    let lines = template.matches('\n').count() as u32 + 1;
    if let Err(error) = set.add("t", template) {
        assert!((1..=lines).contains(&error.line) && !error.message.is_empty(), "{error}");
        return None;
    }
    let setting = Setting { bounds: BOUNDS, is_html };
    match setting.execute(&set, "t", &data()) {
        Ok(text) => {
            assert!(text.len() <= BOUNDS.bytes, "{} bytes", text.len());
            Some(text)
        }
        Err(error) => {
            assert!((1..=lines).contains(&error.line) && !error.message.is_empty(), "{error}");
            None
        }
    }
}

/// Any text is a template or has an error in one of its lines, and its execution ends. Without
/// actions it is its own result.
fn template(input: &[u8]) {
    let template = text(input);
    let result = run(&template, false);
    if !template.contains("{{") {
        assert_eq!(result.as_deref(), Some(&*template));
    }
}

/// What is printed in HTML of a foreign text is escaped, whatever was done to it.
fn foreign(input: &[u8]) {
    let template = text(input);
    // Text that the template itself has is not foreign.
    if template.contains(['<', '\\', '%']) || template.contains("slice") {
        return;
    }
    if let Some(result) = run(&template, true) {
        let is_map = result.contains("map[") || result.contains("nil");
        assert!(is_map || !result.contains('<'), "{result}");
    }
}

#[cfg(test)]
#[test]
fn promises_hold_for_any_bytes() {
    crate::fuzzing::hold(TARGETS, 1000);
}
