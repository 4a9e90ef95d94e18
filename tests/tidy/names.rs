//! Names that must differ within a folder of `src`: types, and files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::code::is_name;
use super::source::{Source, root, sources};

/// Files whose names are terms of RFCs.
const TERMS: &[[&str; 2]] = &[["hpack", "qpack"], ["http1", "http2"]];

/// Types of one name. The files of `src/directives` are rooms of their own.
pub(super) fn repeated_types() -> Vec<String> {
    let mut seen: BTreeMap<(PathBuf, String), BTreeSet<PathBuf>> = BTreeMap::new();
    for source in sources().iter().filter(|s| s.path.starts_with("src") && !s.only_for_tests()) {
        let own = source.path.with_extension("");
        let above = source.path.parent().unwrap_or(&source.path);
        let folder = if root().join(&own).is_dir() { own } else { above.to_owned() };
        for name in types(source) {
            seen.entry((folder.clone(), name)).or_default().insert(source.path.clone());
        }
    }
    seen.retain(|(folder, _), files| files.len() > 1 && !folder.ends_with("src/directives"));
    seen.iter().map(|((_, name), files)| format!("{name}: {files:?}")).collect()
}

fn types(source: &Source) -> Vec<String> {
    let of_line = |line: &str| {
        let kinds = ["struct ", "enum ", "trait ", "type "];
        let (scope, rest) = kinds.iter().find_map(|kind| line.split_once(kind))?;
        let is_item = scope.is_empty() || scope.starts_with("pub") && !scope.contains("fn ");
        is_item.then(|| rest.chars().take_while(|letter| is_name(*letter)).collect())
    };
    source.without_tests().lines().filter_map(of_line).collect()
}

/// Files and folders whose names differ by one letter.
pub(super) fn similar_files() -> Vec<String> {
    let mut names: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for source in sources().iter().filter(|source| source.path.starts_with("src")) {
        for path in source.path.ancestors() {
            if let (Some(folder), Some(stem)) = (path.parent(), path.file_stem()) {
                names.entry(folder.to_owned()).or_default().insert(stem.to_string_lossy().into());
            }
        }
    }
    let pairs = names.iter().flat_map(|(folder, names)| {
        let pair = move |a: &String, b: &String| {
            (a < b && differ_by_a_letter(a, b)).then(|| format!("{}: {a}, {b}", folder.display()))
        };
        names.iter().flat_map(move |a| names.iter().filter_map(move |b| pair(a, b)))
    });
    pairs.collect()
}

fn differ_by_a_letter(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let common = short.chars().zip(long.chars()).take_while(|(a, b)| a == b).count();
    let longer = usize::from(short.len() == long.len());
    !TERMS.contains(&[a, b])
        && long.len() - short.len() < 2
        && short.get(common + longer..) == long.get(common + 1..)
}
