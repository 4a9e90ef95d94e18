//! Caddyfiles of Caddy 2: their imports and snippets, the global block, and the sites.

mod address;
mod answers;
mod before;
mod directives;
mod files;
mod guards;
mod handles;
mod imports;
mod logs;
mod matcher;
mod moves;
mod proxy;
mod query;
mod settings;
mod site;
mod syntax;
#[cfg(test)]
mod tests;
mod tls;
mod values;

use std::collections::BTreeMap;

use super::Files;
use super::page::Page;
use address::Global;
use imports::Imports;
use syntax::{Segment, Wrong};

pub(super) fn translate(
    name: &str,
    text: &str,
    files: &dyn Files,
    page: &mut Page,
) -> Result<(), Wrong> {
    page.allow_environment();
    let all = syntax::parse(name, text)?;
    let mut imports = Imports { snippets: BTreeMap::new(), files, lines: 0 };
    let mut blocks = Vec::new();
    for one in all {
        if one.name().starts_with("&(") {
            page.note(&one.at, format!("{}: a named route is left out", one.shown()));
            continue;
        }
        match imports::snippet(&one).map(str::to_owned) {
            Some(name) => {
                imports.snippets.insert(name, one.block.unwrap_or_default());
            }
            None => blocks.push(one),
        }
    }
    let blocks = imports.expanded(&blocks, 0, page);
    let blocks = without_missing(blocks);
    let (global, sites) = match blocks.split_first() {
        Some((first, rest)) if first.words.is_empty() && first.block.is_some() => {
            (Global::read(first.block(), page), rest)
        }
        _ => (Global::default(), &blocks[..]),
    };
    match sites {
        [] => {}
        [first, rest @ ..] if first.block.is_none() => {
            // The address of a single site, and its directives.
            let block = Some(rest.to_vec());
            let one = Segment { at: first.at.clone(), words: first.words.clone(), block };
            site::translate(&one, &global, files, page);
        }
        sites => sites.iter().for_each(|one| site::translate(one, &global, files, page)),
    }
    Ok(())
}

/// The blocks without what could not be imported between them. It stays in the only site.
fn without_missing(blocks: Vec<Segment>) -> Vec<Segment> {
    let is_missing = |one: &Segment| one.name() == "import";
    let first = blocks.iter().find(|one| !is_missing(one) && !one.words.is_empty());
    let is_single = first.is_some_and(|one| one.block.is_none());
    let start = blocks.iter().position(|one| !is_missing(one) && !one.words.is_empty());
    let keeps = |(at, one): &(usize, Segment)| {
        !is_missing(one) || is_single && start.is_some_and(|start| start < *at)
    };
    blocks.into_iter().enumerate().filter(keeps).map(|(_, one)| one).collect()
}
