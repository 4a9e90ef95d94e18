//! The documentation has a line for each limit, with its value.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::*;

pub(super) fn bytes(n: impl TryInto<usize>) -> String {
    match n.try_into().unwrap_or(usize::MAX) {
        n if n % MB == 0 => format!("{} MB", n / MB),
        n if n % KB == 0 => format!("{} KB", n / KB),
        n => format!("{n} bytes"),
    }
}

pub(super) fn megabytes(n: u32) -> String {
    format!("{n} MB")
}

pub(super) fn count(n: impl TryInto<u64>) -> String {
    match n.try_into().unwrap_or(u64::MAX) {
        n @ ..10_000 => n.to_string(),
        n @ ..1_000_000 => format!("{},{:03}", n / 1000, n % 1000),
        n => format!("{},{:03},{:03}", n / 1_000_000, n / 1000 % 1000, n % 1000),
    }
}

pub(super) fn time(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        n if n % 86_400 == 0 && n > 86_400 => format!("{} days", n / 86_400),
        n if n % 3600 == 0 => format!("{} h", n / 3600),
        n if n % 60 == 0 && n > 60 => format!("{} min", n / 60),
        n => format!("{n} s"),
    }
}

pub(super) fn seconds(n: impl TryInto<u64>) -> String {
    time(secs(n.try_into().unwrap_or(u64::MAX)))
}

pub(super) fn percent(n: u64) -> String {
    format!("{n} %")
}

pub(super) fn each_second(n: impl Display) -> String {
    format!("{n} each second")
}

pub(super) fn rate(n: u64) -> String {
    format!("{n} bytes/s")
}

/// The page's lines about limits: what is limited, without links, and the default.
fn documented() -> Vec<(String, String)> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/default-limits.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.contains("| default |"));
    rows.map(|row| {
        let mut cells = row.split('|').map(|cell| unlinked(cell.trim()));
        (cells.nth(1).unwrap(), cells.next().unwrap())
    })
    .collect()
}

/// `[text](target)` as `text`.
fn unlinked(cell: &str) -> String {
    let mut text = String::new();
    let mut rest = cell;
    while let Some((before, after)) = rest.split_once('[') {
        let (inside, after) = after.split_once("](").unwrap();
        text.extend([before, inside]);
        rest = after.split_once(')').unwrap().1;
    }
    text + rest
}

#[test]
fn the_documentation_lists_the_table() {
    let documented = documented();
    let mut shown: BTreeMap<_, _> =
        documented.iter().map(|(line, value)| (line.as_str(), value.as_str())).collect();
    assert_eq!(shown.len(), documented.len(), "a line stands in the page twice");
    for (name, line, value) in TABLE.iter().chain(convert::TABLE).chain(fleet::TABLE) {
        let default = shown.remove(line).unwrap_or_else(|| panic!("{name}: no line {line:?}"));
        // Behind a semicolon the page may say more.
        let default = default.split("; ").next().unwrap();
        assert_eq!(default, value(), "{name}: {line}");
    }
    // What has no default of ours.
    let _ = shown.remove("body").filter(|value| *value == "no limit").unwrap();
    assert!(shown.is_empty(), "lines of no limit: {shown:?}");
}
