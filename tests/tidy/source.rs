//! The sources, read for the rules.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::code::{blank, code_of, test_items};

/// One file: as written, and with comments and literals blanked, byte for byte.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) code: String,
    /// The items of `code` that are under `#[cfg(test)]`.
    pub(super) tests: Vec<Range<usize>>,
}

impl Source {
    pub(super) fn from_text(path: &Path, text: &str) -> Self {
        let code = code_of(text);
        let tests = test_items(&code);
        Self { path: path.to_owned(), text: text.to_owned(), code, tests }
    }

    /// The code with the items under `#[cfg(test)]` blanked.
    pub(super) fn without_tests(&self) -> String {
        let mut code = self.code.clone();
        for range in &self.tests {
            code.replace_range(range.clone(), &blank(&self.code[range.clone()]));
        }
        code
    }

    pub(super) fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    pub(super) fn in_tests(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }

    /// Whether the parent declares this file under `#[cfg(test)]`, or is itself so declared.
    pub(super) fn only_for_tests(&self) -> bool {
        let Some(name) = self.path.file_stem().map(|stem| stem.to_string_lossy()) else {
            return false;
        };
        let Some(folder) = self.path.parent() else { return false };
        [folder.join("mod.rs"), folder.join("lib.rs"), folder.with_extension("rs")]
            .iter()
            .filter(|parent| root().join(parent).exists() && **parent != self.path)
            .map(|parent| read(parent))
            .any(|parent| {
                let declared = format!("mod {name};");
                let in_tests =
                    |range: &Range<usize>| parent.code[range.clone()].contains(&declared);
                parent.tests.iter().any(in_tests)
                    || (parent.code.contains(&declared) && parent.only_for_tests())
            })
    }
}

pub(super) fn root() -> &'static Path {
    Path::new(option_env!("CARGO_MANIFEST_DIR").unwrap_or("."))
}

pub(super) fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches", "fuzz"] {
        collect(Path::new(folder), &mut paths);
    }
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).into_iter().flatten().flatten() {
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

pub(super) fn read(path: &Path) -> Source {
    let text = fs::read_to_string(root().join(path)).unwrap_or_default();
    Source::from_text(path, &text)
}

pub(super) fn first_part(path: &Path) -> String {
    let first = path.components().next().map(|part| part.as_os_str().to_string_lossy());
    first.unwrap_or_default().trim_end_matches(".rs").to_owned()
}
