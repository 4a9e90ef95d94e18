//! The Caddyfile that comes out: sites, lines, comments and their quoting, and the warnings.

use std::collections::HashSet;
use std::rc::Rc;

use super::Converted;
use super::files::Source;
use crate::limits::CONVERT_BYTES;
use crate::warning::{Warning, marked};

/// Where a word of the original stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    pub(super) source: Rc<Source>,
    pub(super) line: u32,
    pub(super) column: u32,
}

impl Place {
    pub(super) fn file(&self) -> &str {
        &self.source.name
    }

    pub(super) fn warning(&self, message: &str) -> Warning {
        let (file, line, column) = (self.file(), self.line, self.column);
        let place = self.source.line(line).map(|text| marked(file, line, column, text));
        Warning::at(file, line, column, message).showing(place)
    }
}

/// A line of the Caddyfile, with its block.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) words: Vec<String>,
    pub(super) block: Vec<Item>,
}

/// What stands in a block.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Line(Line),
    /// A comment, and the warning that it is.
    Note {
        at: Place,
        text: String,
    },
}

impl Line {
    pub(super) fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let words = words.into_iter().map(str::to_owned).collect();
        Self { words, block: Vec::new() }
    }

    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    /// The line with other words before its block.
    pub(super) fn starting<'a>(self, words: impl IntoIterator<Item = &'a str>) -> Self {
        Self { block: self.block, ..Self::new(words) }
    }

    /// The line with another word in the place of one.
    pub(super) fn replaced(mut self, from: &str, to: &str) -> Self {
        let all = self.words.iter_mut().filter(|word| *word == from);
        all.for_each(|word| to.clone_into(word));
        self
    }

    /// The line with more words.
    pub(super) fn and(mut self, words: impl IntoIterator<Item = String>) -> Self {
        self.words.extend(words);
        self
    }

    /// The line with one more item in its block.
    pub(super) fn with(mut self, item: impl Into<Item>) -> Self {
        self.block.push(item.into());
        self
    }

    pub(super) fn add(&mut self, item: impl Into<Item>) {
        self.block.push(item.into());
    }

    pub(super) fn is(&self, directive: &str) -> bool {
        self.words.first().is_some_and(|word| word == directive)
    }

    pub(super) fn has_block(&self) -> bool {
        !self.block.is_empty()
    }
}

impl From<Line> for Item {
    fn from(line: Line) -> Self {
        Self::Line(line)
    }
}

impl Item {
    /// The same for another path.
    pub(super) fn moved(self, from: &str, to: &str) -> Self {
        let Self::Line(line) = self else { return self };
        let word = |word: String| if word == from { to.to_owned() } else { word };
        let words = line.words.into_iter().map(word).collect();
        let block = line.block.into_iter().map(|item| item.moved(from, to)).collect();
        Self::Line(Line { words, block })
    }
}

impl Item {
    /// The rules of a path, also where `rewrite` leads its requests: below these paths.
    pub(super) fn also_below(self, marks: &[String]) -> Vec<Self> {
        let is_path =
            |word: &String| word.starts_with('/') && word != "/" && !word.starts_with("/@");
        let Self::Line(mut line) = self else { return vec![self] };
        match line.words.first().map_or("", String::as_str) {
            "status" | "basicauth" => {
                let own = line.words.get(2).into_iter();
                let paths = own.chain(line.block.iter().filter_map(|item| match item {
                    Self::Line(line) if line.words.len() == 1 => line.words.first(),
                    _ => None,
                }));
                let paths: Vec<_> = paths.filter(|word| is_path(word)).cloned().collect();
                let moved =
                    marks.iter().flat_map(|mark| paths.iter().map(move |path| (mark, path)));
                moved.for_each(|(mark, path)| line.add(Line::new([&*format!("{mark}{path}")])));
                vec![line.into()]
            }
            "header" if line.words.get(1).is_some_and(is_path) => {
                let moved = marks.iter().map(|mark| {
                    let mut copy = line.clone();
                    copy.words[1].insert_str(0, mark);
                    copy.into()
                });
                let moved: Vec<_> = moved.collect();
                std::iter::once(line.into()).chain(moved).collect()
            }
            _ => vec![line.into()],
        }
    }
}

/// A comment that is a warning too.
pub(super) fn note(at: &Place, text: impl Into<String>) -> Item {
    Item::Note { at: at.clone(), text: text.into() }
}

/// A site with its directives.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) at: Place,
    pub(super) addresses: Vec<String>,
    pub(super) body: Vec<Item>,
}

/// The whole Caddyfile.
pub(super) struct Page {
    head: Vec<String>,
    items: Vec<Item>,
    pub(super) sites: Vec<Site>,
    warnings: Vec<Warning>,
    said: HashSet<String>,
    text: String,
    /// `{$NAME}` of the original is the environment's, as here.
    has_environment: bool,
}

impl Page {
    pub(super) fn new(title: String) -> Self {
        let (items, sites, warnings) = (Vec::new(), Vec::new(), Vec::new());
        let (said, text) = (HashSet::new(), String::new());
        Self { head: vec![title], items, sites, warnings, said, text, has_environment: false }
    }

    pub(super) fn allow_environment(&mut self) {
        self.has_environment = true;
    }

    /// A comment at the top.
    pub(super) fn remark(&mut self, text: &str) {
        self.head.push(text.to_owned());
    }

    /// A comment and warning that belongs to no site.
    pub(super) fn note(&mut self, at: &Place, text: impl Into<String>) {
        self.items.push(note(at, text));
    }

    pub(super) fn finish(mut self) -> Converted {
        for line in std::mem::take(&mut self.head) {
            self.comment("", &line);
        }
        let items = std::mem::take(&mut self.items);
        self.block("", &items);
        for site in std::mem::take(&mut self.sites) {
            if self.text.len() > CONVERT_BYTES {
                self.warn(
                    &site.at,
                    "the translation is too long: this and what follows is left out",
                );
                break;
            }
            self.site(&site);
        }
        Converted { text: self.text, warnings: self.warnings }
    }

    /// A word as it is written, if no part of it would be replaced by the environment unasked.
    fn quoted(&self, word: &str) -> Option<String> {
        let fits = !names_environment(word) || self.has_environment && has_plain_names(word);
        quoted(word).filter(|_| fits && !word.contains('\0'))
    }

    fn site(&mut self, site: &Site) {
        let addresses: Option<Vec<_>> = site.addresses.iter().map(|one| self.quoted(one)).collect();
        let addresses = addresses.filter(|all| !all.is_empty());
        let Some(addresses) = addresses else {
            self.text.push('\n');
            self.warn(&site.at, "a site without an address that can be written here is left out");
            return;
        };
        self.text.push('\n');
        self.text.push_str(&addresses.join(", "));
        self.text.push_str(" {\n");
        self.block("    ", &site.body);
        self.text.push_str("}\n");
    }

    fn block(&mut self, margin: &str, items: &[Item]) {
        for item in items {
            match item {
                Item::Note { at, text } => {
                    let place = format!("{}:{}: {text}", at.file(), at.line);
                    self.comment(margin, &place);
                    self.tell(at, text);
                }
                Item::Line(line) => self.line(margin, line),
            }
        }
    }

    fn line(&mut self, margin: &str, line: &Line) {
        let words: Option<Vec<_>> = line.words.iter().map(|word| self.quoted(word)).collect();
        let Some(words) = words else {
            let text = line.words.join(" ");
            self.comment(margin, &format!("cannot be written as words of a Caddyfile: {text}"));
            let at = Place { source: Source::new("output", ""), line: 1, column: 1 };
            self.tell(&at, &format!("no word of a Caddyfile can hold this: {}", one_line(&text)));
            return;
        };
        self.text.push_str(margin);
        self.text.push_str(&words.join(" "));
        if line.block.is_empty() {
            self.text.push('\n');
            return;
        }
        self.text.push_str(" {\n");
        self.block(&format!("{margin}    "), &line.block);
        self.text.push_str(margin);
        self.text.push_str("}\n");
    }

    /// A comment at this place, and the warning.
    fn warn(&mut self, at: &Place, text: &str) {
        self.comment("", &format!("{}:{}: {text}", at.file(), at.line));
        self.tell(at, text);
    }

    fn tell(&mut self, at: &Place, text: &str) {
        let warning = at.warning(&one_line(text));
        if self.said.insert(warning.to_string()) {
            self.warnings.push(warning);
        }
    }

    fn comment(&mut self, margin: &str, text: &str) {
        self.text.push_str(margin);
        self.text.push_str("# ");
        self.text.push_str(&one_line(text));
        self.text.push('\n');
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Whether the text has a variable of the environment that nobody meant, or another form of one.
fn names_environment(word: &str) -> bool {
    word.contains("{$") || word.contains("{%")
}

/// Whether all variables of the environment are plain names.
fn has_plain_names(word: &str) -> bool {
    !word.contains("{%")
        && word.split("{$").skip(1).all(|behind| {
            let name = behind.split('}').next().unwrap_or_default();
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            name.len() < behind.len() && !name.is_empty() && name.bytes().all(fits)
        })
}

/// A word as it is written; `None` if no form of it reads back as the word.
fn quoted(word: &str) -> Option<String> {
    let has_space = word.chars().any(char::is_whitespace);
    let is_bare = !word.is_empty()
        && !has_space
        && !word.starts_with('"')
        && !word.contains('#')
        && !word.starts_with("<<")
        && !matches!(word, "{" | "}")
        && !word.ends_with('{');
    if is_bare {
        return Some(word.to_owned());
    }
    let reads_back = !word.contains("\\\"") && !word.ends_with('\\');
    let is_safe = reads_back && !matches!(word, "{" | "}");
    is_safe.then(|| format!("\"{}\"", word.replace('"', "\\\"")))
}

/// Text without placeholders, as a value that may have some.
pub(super) fn literal(text: &str) -> String {
    text.replace('{', "\\{")
}
