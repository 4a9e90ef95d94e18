//! `gzip_*` as the directive `gzip`.

use super::scope::Scope;
use super::values;
use crate::convert::page::{Item, Line, note};

/// Extensions of the types that nginx knows.
const TYPES: &[(&str, &[&str])] = &[
    ("text/html", &[".html", ".htm", ".shtml"]),
    ("text/css", &[".css"]),
    ("text/xml", &[".xml"]),
    ("text/plain", &[".txt"]),
    ("text/javascript", &[".js", ".mjs"]),
    ("application/javascript", &[".js", ".mjs"]),
    ("application/x-javascript", &[".js", ".mjs"]),
    ("application/json", &[".json"]),
    ("application/ld+json", &[".jsonld"]),
    ("application/manifest+json", &[".webmanifest"]),
    ("application/xml", &[".xml"]),
    ("application/xml+rss", &[".rss"]),
    ("application/rss+xml", &[".rss"]),
    ("application/atom+xml", &[".atom"]),
    ("application/xhtml+xml", &[".xhtml"]),
    ("application/wasm", &[".wasm"]),
    ("application/vnd.ms-fontobject", &[".eot"]),
    ("application/font-woff", &[".woff"]),
    ("font/ttf", &[".ttf"]),
    ("font/otf", &[".otf"]),
    ("font/opentype", &[".otf"]),
    ("application/x-font-ttf", &[".ttf"]),
    ("image/svg+xml", &[".svg"]),
    ("image/x-icon", &[".ico"]),
    ("image/bmp", &[".bmp"]),
    ("text/x-component", &[".htc"]),
    ("text/markdown", &[".md"]),
    ("text/calendar", &[".ics"]),
    ("text/csv", &[".csv"]),
];

pub(super) fn lines(scope: &Scope<'_>) -> Vec<Item> {
    if !scope.is_on("gzip") {
        return Vec::new();
    }
    let mut items = Vec::new();
    let mut exts: Vec<&str> = vec![".html", ".htm", ".shtml", ""];
    for one in scope.all("gzip_types") {
        for name in &one.args {
            match TYPES.iter().find(|(known, _)| known == name) {
                Some((_, known)) => {
                    exts.extend(
                        known
                            .iter()
                            .filter(|ext| !exts.contains(*ext))
                            .copied()
                            .collect::<Vec<_>>(),
                    );
                }
                None if name == "*" => exts = vec!["*"],
                None => {
                    items.push(note(
                        &one.at,
                        format!("gzip_types {name}: write its extension in `ext`"),
                    ));
                }
            }
        }
    }
    if exts.contains(&"*") {
        exts = vec!["*"];
    }
    let mut line =
        Line::new(["gzip"]).with(Line::new(["ext"]).and(exts.iter().map(|ext| (*ext).to_owned())));
    let level = scope.word("gzip_comp_level");
    if level.parse::<u8>().is_ok_and(|level| (1..=9).contains(&level)) {
        line.add(Line::new(["level", level]));
    }
    let least = scope.word("gzip_min_length");
    if let Some(least) = values::bytes(least).filter(|least| *least > 0) {
        line.add(Line::new(["min_length", &least.to_string()]));
    }
    items.push(line.into());
    items
}
