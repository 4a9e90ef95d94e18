//! Which file of `src` imports which: paths in the code, followed through re-exports to the file
//! that defines the name. Knots are files that import one another, however long the way round.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::code::{is_name, statements};
use super::source::Source;

/// The imports of the whole tree, tests left out.
pub(super) struct Imports {
    files: Vec<PathBuf>,
    edges: Vec<BTreeMap<usize, usize>>,
}

/// One module that has a file of its own.
struct Module {
    path: Vec<String>,
    /// Names that `use` brings in, with the path that they stand for.
    names: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    children: BTreeSet<String>,
    code: String,
}

impl Imports {
    pub(super) fn of(sources: &[Source]) -> Self {
        let sources: Vec<_> = sources.iter().filter(|one| belongs(one)).collect();
        let modules: Vec<_> = sources.iter().map(|source| Module::of(source)).collect();
        let tree = Tree::new(&modules);
        let edges = modules.iter().enumerate().map(|(at, module)| tree.imports(at, module));
        Self { edges: edges.collect(), files: sources.iter().map(|s| s.path.clone()).collect() }
    }

    /// Every import from one file to another: importer, imported, and a byte of the importer's
    /// code where it stands.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Path, &Path, usize)> {
        self.edges.iter().enumerate().flat_map(move |(from, targets)| {
            let named = move |(to, at): (&usize, &usize)| {
                (self.files[from].as_path(), self.files[*to].as_path(), *at)
            };
            targets.iter().map(named)
        })
    }

    /// Groups of files each of which reaches all the others. A module and the one that declares
    /// it are no knot.
    pub(super) fn knots(&self) -> Vec<Vec<&Path>> {
        let reach: Vec<_> = (0..self.files.len()).map(|start| self.reachable(start)).collect();
        let mut knots = Vec::new();
        let mut seen = BTreeSet::new();
        for start in 0..self.files.len() {
            let knot: Vec<usize> =
                reach[start].iter().copied().filter(|to| reach[*to].contains(&start)).collect();
            if knot.len() < 2 || !seen.insert(knot[0]) {
                continue;
            }
            let paths: Vec<_> = knot.iter().map(|at| self.files[*at].as_path()).collect();
            if !matches!(paths[..], [a, b] if declares(a, b) || declares(b, a)) {
                knots.push(paths);
            }
        }
        knots
    }

    fn reachable(&self, start: usize) -> BTreeSet<usize> {
        let (mut found, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(at) = open.pop() {
            open.extend(self.edges[at].keys().filter(|to| found.insert(**to)));
        }
        found
    }
}

/// The modules by their paths.
struct Tree<'a> {
    modules: &'a [Module],
    at: BTreeMap<&'a [String], usize>,
}

impl<'a> Tree<'a> {
    fn new(modules: &'a [Module]) -> Self {
        let at = modules.iter().enumerate().map(|(at, module)| (&module.path[..], at)).collect();
        Self { modules, at }
    }

    fn imports(&self, own: usize, module: &Module) -> BTreeMap<usize, usize> {
        let mut edges = BTreeMap::new();
        for (at, path) in paths_in(&module.code) {
            if let Some(absolute) = self.absolute(own, &path)
                && let Some(target) = self.home(&absolute, 0)
                && target != own
            {
                edges.entry(target).or_insert(at);
            }
        }
        edges
    }

    /// A path as written in a module, from the root of the crate.
    fn absolute(&self, own: usize, path: &[String]) -> Option<Vec<String>> {
        let module = &self.modules[own];
        let (first, rest) = path.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Vec::new(),
            "caddy" if module.path == ["main"] => Vec::new(),
            "self" => module.path.clone(),
            "super" => {
                let climbs = path.iter().take_while(|part| *part == "super").count();
                let kept = module.path.len().checked_sub(climbs)?;
                let mut base = module.path[..kept].to_vec();
                base.extend_from_slice(&path[climbs..]);
                return Some(base);
            }
            name if module.children.contains(name) => {
                let mut base = module.path.clone();
                base.push(name.to_owned());
                base
            }
            // What an import of this file names.
            name => {
                let imported = module.names.get(name).filter(|path| path[0] != name)?;
                self.absolute(own, imported)?
            }
        };
        base.extend_from_slice(rest);
        Some(base)
    }

    /// The file that defines what a path names.
    fn home(&self, path: &[String], depth: usize) -> Option<usize> {
        let (mut own, mut used) = (*self.at.get(&[][..])?, 0);
        for end in (1..=path.len()).rev() {
            if let Some(at) = self.at.get(&path[..end]) {
                (own, used) = (*at, end);
                break;
            }
        }
        let module = &self.modules[own];
        let Some(name) = path.get(used).filter(|_| depth < 8) else { return Some(own) };
        if let Some(target) = module.names.get(name) {
            let absolute = self.absolute(own, target);
            return absolute.map_or(Some(own), |absolute| self.home(&absolute, depth + 1));
        }
        let globbed =
            module.globs.iter().filter_map(|glob| self.absolute(own, glob)).find(|glob| {
                self.at.get(&glob[..]).is_some_and(|at| self.modules[*at].defines(name))
            });
        match globbed {
            Some(mut glob) if !module.defines(name) => {
                glob.push(name.clone());
                self.home(&glob, depth + 1)
            }
            _ => Some(own),
        }
    }
}

impl Module {
    fn of(source: &Source) -> Self {
        let code = source.without_tests();
        let (mut names, mut globs, mut children) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
        for statement in statements(&code) {
            let words = statement.trim_start();
            if let Some(tree) = words.strip_prefix("use ") {
                for (path, name) in leaves(tree) {
                    match name.as_str() {
                        "*" => globs.push(path),
                        _ => drop(names.insert(name, path)),
                    }
                }
            } else if let Some(name) = words.strip_prefix("mod ") {
                children.insert(name.trim().to_owned());
            }
        }
        Self { path: module_path(&source.path), names, globs, children, code }
    }

    fn defines(&self, name: &str) -> bool {
        ["fn", "struct", "enum", "trait", "type", "const", "static"].iter().any(|kind| {
            self.code.match_indices(&format!("{kind} {name}")).any(|(at, found)| {
                !self.code[at + found.len()..].starts_with(is_name)
                    && !self.code[..at].ends_with(is_name)
            })
        })
    }
}

/// Paths of two names and more, those of `use` trees taken apart.
fn paths_in(code: &str) -> Vec<(usize, Vec<String>)> {
    let mut paths = Vec::new();
    let mut from = 0;
    while let Some(found) = code[from..].find("::") {
        let head = from + found;
        let start = code[..head].rfind(|letter| !is_name(letter)).map_or(0, |at| at + 1);
        let end = path_end(code, start);
        let is_visibility = code[..start].ends_with("pub(in ");
        if start < head && !code[..start].ends_with("::") && !is_visibility {
            let whole = leaves(&code[start..end]).into_iter();
            paths.extend(whole.map(|(path, _)| (start, path)));
        }
        from = end.max(head + 2);
    }
    paths
}

/// Where the path or `use` tree that begins at `start` ends.
fn path_end(code: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, letter) in code[start..].char_indices() {
        let here = &code[start + at..];
        match letter {
            '{' if code[..start + at].ends_with("::") || depth > 0 => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '*' if code[..start + at].ends_with("::") => {}
            ':' if here.starts_with("::") || code[..start + at].ends_with(':') => {}
            _ if depth > 0 || is_name(letter) => {}
            _ => return start + at,
        }
    }
    code.len()
}

/// `a::{b, c::d as e}` as its paths, each with the name that it brings in.
fn leaves(tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim();
    if let Some(open) = tree.find('{') {
        let close = tree.rfind('}').unwrap_or(tree.len());
        let prefix: Vec<_> = parts(&tree[..open]);
        let mut all = Vec::new();
        for part in split_outer(&tree[open + 1..close]) {
            for (path, name) in leaves(part) {
                let mut whole = prefix.clone();
                whole.extend(path.into_iter().filter(|one| one != "self"));
                let name = if name == "self" { prefix.last().cloned() } else { Some(name) };
                all.push((whole, name.unwrap_or_default()));
            }
        }
        return all;
    }
    let (path, alias) = match tree.split_once(" as ") {
        Some((path, alias)) => (path, Some(alias.trim().to_owned())),
        None => (tree, None),
    };
    let mut path = parts(path);
    let Some(last) = path.last().cloned() else { return Vec::new() };
    if last == "*" {
        path.pop();
    }
    vec![(path, alias.unwrap_or(last))]
}

fn parts(path: &str) -> Vec<String> {
    path.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn split_outer(list: &str) -> Vec<&str> {
    let (mut all, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                all.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    all.push(&list[start..]);
    all.retain(|part| !part.trim().is_empty());
    all
}

fn belongs(source: &Source) -> bool {
    source.path.starts_with("src") && !source.only_for_tests()
}

fn module_path(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix("src").unwrap_or(file).with_extension("");
    let mut path: Vec<_> =
        inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    if path == ["lib"] || path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}

fn declares(parent: &Path, child: &Path) -> bool {
    let (parent, child) = (module_path(parent), module_path(child));
    child.len() == parent.len() + 1 && child.starts_with(&parent)
}

#[test]
fn paths_lead_to_the_file_that_defines_the_name() {
    let sources = [
        ("src/lib.rs", "mod a;\nmod b;"),
        ("src/a/mod.rs", "mod x;\nmod y;\npub use x::{X, Other as Z};"),
        ("src/a/x.rs", "use super::y::Y;\npub struct X;\npub struct Other;"),
        ("src/a/y.rs", "pub struct Y;\nfn f() { crate::b::g(); }"),
        ("src/b.rs", "use crate::a::{self, Z};\npub fn g() {}"),
    ];
    let sources = sources.map(|(path, text)| Source::from_text(Path::new(path), text));
    let imports = Imports::of(&sources);
    let all: Vec<_> =
        imports.all().map(|(from, to, _)| format!("{} {}", from.display(), to.display())).collect();
    let expected = [
        "src/a/mod.rs src/a/x.rs",
        "src/a/x.rs src/a/y.rs",
        "src/a/y.rs src/b.rs",
        "src/b.rs src/a/mod.rs",
        "src/b.rs src/a/x.rs",
    ];
    assert_eq!(all, expected);
    let knots: Vec<_> = imports.knots().into_iter().map(|knot| knot.len()).collect();
    assert_eq!(knots, [4]);
}
