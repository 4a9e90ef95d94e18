//! Properties of the front matter of Markdown files, for arbitrary input.

use serde_json::Value;

use super::document::{DEPTH, Document};
use crate::fuzzing::{Target, text};

pub(crate) const TARGETS: &[Target] =
    &[Target { name: "front_matter", run: front_matter, seeds: FILES }];

const FILES: &[&[u8]] = &[
    b"---\ntitle: A\ntags: [x, {y: z}]\nof:\n  - - k: |\n      v\n---\ntext\n",
    b"---\n? - a\n: &x 1\nb: *x\n---\ntext",
    b"+++\ntitle = \"A\"\ndate = 2020-01-02\n[of]\nk = [1.5, true]\n+++\r\ntext",
    b"{\"title\": \"A\", \"of\": {\"k\": [null]}}text",
    b"\xef\xbb\xbf--- \n- - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - x\n---\n",
];

/// The text is the end of the file, the same each time, and values are nested within the bound.
fn front_matter(data: &[u8]) {
    let file = text(data);
    let document = Document::read(&file);
    assert!(file.ends_with(document.text));
    assert_eq!(Document::read(&file), document);
    let is_yaml = file.trim_start_matches('\u{feff}').starts_with("---");
    if is_yaml {
        let deepest = document.matter.values().map(depth).max().unwrap_or(0);
        assert!(deepest < DEPTH, "{deepest}");
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(values) => 1 + values.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
