//! `import`: snippets and files in the place of the line that names them.

use std::collections::BTreeMap;

use super::syntax::{Segment, parse};
use crate::convert::Files;
use crate::convert::page::Page;
use crate::limits::{CONVERT_INCLUDES, CONVERT_LINES};

pub(super) struct Imports<'a> {
    pub(super) snippets: BTreeMap<String, Vec<Segment>>,
    pub(super) files: &'a dyn Files,
    pub(super) lines: usize,
}

impl Imports<'_> {
    /// The lines with what they import.
    pub(super) fn expanded(
        &mut self,
        lines: &[Segment],
        depth: usize,
        page: &mut Page,
    ) -> Vec<Segment> {
        let mut all = Vec::new();
        for line in lines {
            if line.name() == "import" {
                all.extend(self.imported(line, depth, page));
                continue;
            }
            let mut line = line.clone();
            line.block = line.block.map(|block| self.expanded(&block, depth, page));
            all.push(line);
        }
        self.lines += all.len();
        all
    }

    /// Where not all of it is known, the line stays behind what is: it may keep requests out.
    fn imported(&mut self, line: &Segment, depth: usize, page: &mut Page) -> Vec<Segment> {
        let name = line.arg(0);
        if depth >= CONVERT_INCLUDES || self.lines > CONVERT_LINES {
            page.note(&line.at, "too many imports: left out");
            return vec![line.clone()];
        }
        let (found, mut is_known) = match self.snippets.get(name) {
            Some(snippet) => (snippet.clone(), true),
            None => self.of_files(line, page),
        };
        if line.block.is_some() {
            page.note(&line.at, format!("{}: the block of an import is left out", line.shown()));
            is_known = false;
        }
        let args = line.args().get(1..).unwrap_or_default();
        let found: Vec<_> = found.iter().map(|one| filled(one, args)).collect();
        let mut all = self.expanded(&found, depth + 1, page);
        all.extend((!is_known).then(|| line.clone()));
        all
    }

    /// The lines of files, and whether all could be read.
    fn of_files(&mut self, line: &Segment, page: &mut Page) -> (Vec<Segment>, bool) {
        let files = match self.files.read(line.arg(0), line.at.file()) {
            Ok(files) => files,
            Err(error) => {
                page.note(&line.at, format!("{}: {error}: left out", line.shown()));
                return (Vec::new(), false);
            }
        };
        let (mut all, mut is_known) = (Vec::new(), true);
        for file in files {
            match parse(&file.name, &file.text) {
                Ok(lines) => {
                    let (snippets, rest): (Vec<_>, Vec<_>) =
                        lines.into_iter().partition(|one| snippet(one).is_some());
                    for one in snippets {
                        let name = snippet(&one).unwrap_or_default().to_owned();
                        self.snippets.insert(name, one.block.unwrap_or_default());
                    }
                    all.extend(rest);
                }
                Err((at, why)) => {
                    page.note(&at, format!("{why}: the file is left out"));
                    is_known = false;
                }
            }
        }
        (all, is_known)
    }
}

/// The name of a snippet that a block defines.
pub(super) fn snippet(line: &Segment) -> Option<&str> {
    line.block.as_ref()?;
    match &line.words[..] {
        [word] => word.strip_prefix('(')?.strip_suffix(')'),
        _ => None,
    }
}

/// A line of a snippet with the arguments of the import.
fn filled(line: &Segment, args: &[String]) -> Segment {
    let mut words = Vec::new();
    for word in &line.words {
        if word == "{args[:]}" || word == "{args.*}" {
            words.extend(args.iter().cloned());
            continue;
        }
        let mut word = word.clone();
        for (at, arg) in args.iter().enumerate() {
            word = word.replace(&format!("{{args[{at}]}}"), arg);
            word = word.replace(&format!("{{args.{at}}}"), arg);
        }
        words.push(word);
    }
    let block = line.block.as_ref();
    let block = block.map(|block| block.iter().map(|one| filled(one, args)).collect());
    Segment { at: line.at.clone(), words, block }
}
