//! The documentation as a book: its pages, their links, and what they quote from the server.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages of a folder.
fn pages_in(folder: &Path) -> Vec<PathBuf> {
    let mut pages: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

/// The text without blocks of code.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        is_code ^= fence;
        !is_code && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The anchors of a page's headings, as mdBook and GitHub make them.
fn anchors(page: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // Of a link, its text.
    let link = Regex::new(r"\[([^\]]*)\]\([^)]*\)").unwrap();
    for line in prose(&read(page)).lines() {
        let text = line.trim_start_matches('#');
        if text.len() == line.len() || !text.starts_with(' ') {
            continue;
        }
        let text = link.replace_all(text.trim(), "$1");
        let kept = text.to_lowercase().replace(' ', "-");
        let kept: String =
            kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect();
        let again = (1..).map(|n| format!("{kept}-{n}"));
        let name = std::iter::once(kept.clone()).chain(again).find(|name| !found.contains(name));
        found.extend(name);
    }
    found
}

/// What a page refers to: the targets of links and pictures.
fn links(page: &Path) -> Vec<String> {
    let text = prose(&read(page));
    let text = Regex::new("`[^`\n]*`").unwrap().replace_all(&text, "");
    let link = Regex::new(r#"\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)""#).unwrap();
    let targets = link.captures_iter(&text).map(|found| found.get(1).or_else(|| found.get(2)));
    targets.flatten().map(|target| target.as_str().to_owned()).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut dead = vec![];
    let mut count = 0;
    for page in pages_in(root()).into_iter().chain(pages_in(&root().join("docs"))) {
        for link in links(&page).iter().filter(|link| !link.contains("://")) {
            count += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let to = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let there = to.exists() && (anchor.is_empty() || anchors(&to).contains(anchor));
            if !there {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(count > 300, "{count} links");
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn the_summary_has_every_page_once() {
    let listed = links(&root().join("docs/SUMMARY.md"));
    let mut here: Vec<_> = listed.iter().filter(|link| !link.starts_with("../")).collect();
    here.sort();
    let all = pages_in(&root().join("docs"));
    let names = all.iter().map(|page| page.file_name().unwrap().to_str().unwrap().to_owned());
    let want: Vec<_> = names.filter(|name| name != "SUMMARY.md").collect();
    let want: Vec<_> = want.iter().collect();
    assert_eq!(here, want, "left docs/SUMMARY.md, right the folder docs");
}

/// The text of every string of the sources, with `…` for what is put in.
fn strings() -> String {
    let mut all = String::new();
    let mut folders = vec![root().join("src")];
    let literal = Regex::new(r#""((?:[^"\\]|\\[\s\S])*)""#).unwrap();
    let value = Regex::new(r"\{[^{}]*\}").unwrap();
    // A backslash at the end of a line takes the blanks of the next one away.
    let goes_on = Regex::new(r"\\\n\s*").unwrap();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                for found in literal.captures_iter(&read(&path)) {
                    let text = goes_on.replace_all(&found[1], "");
                    all += &value.replace_all(&text.replace("\\\"", "\""), "…");
                    all.push('\n');
                }
            }
        }
    }
    all
}

/// The messages that a page quotes: the first cells of its tables of messages.
fn messages(page: &str) -> Vec<String> {
    let mut found = vec![];
    let mut is_within = false;
    for line in page.lines() {
        is_within = line.starts_with("| message |") || (is_within && line.starts_with('|'));
        if is_within && line.starts_with("| `") {
            found.push(line.split('`').nth(1).unwrap().to_owned());
        }
    }
    found
}

#[test]
fn quoted_messages_are_those_of_the_server() {
    let strings = strings();
    let quoted = messages(&read(&root().join("docs/troubleshooting.md")));
    assert!(quoted.len() > 20, "{quoted:?}");
    for message in quoted {
        for part in message
            .split('…')
            .map(|part| part.trim_matches([' ', ':', ';']))
            .filter(|part| part.len() > 2)
        {
            assert!(strings.contains(part), "no message of the server has '{part}': {message}");
        }
    }
}
