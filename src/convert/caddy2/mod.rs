//! Caddyfiles of Caddy 2: their imports and snippets, the global block, and the sites.

mod address;
mod answers;
mod directives;
mod files;
mod imports;
mod logs;
mod matcher;
mod proxy;
mod settings;
mod site;
mod syntax;
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
        match imports::snippet(&one).map(str::to_owned) {
            Some(name) => {
                imports.snippets.insert(name, one.block.unwrap_or_default());
            }
            None => blocks.push(one),
        }
    }
    let blocks = imports.expanded(&blocks, 0, page);
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
