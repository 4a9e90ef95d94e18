//! One site of Caddy 2, and one more for each `handle` that lives by files of its own.

use super::address::{self, Global};
use super::before::Before;
use super::guards::{self, RequestField};
use super::matcher::{self, Named, Where};
use super::syntax::Segment;
use super::tls;
use crate::convert::Files;
use crate::convert::answers::Answers;
use crate::convert::page::{Item, Line, Page, Place, Site, note};

pub(super) fn translate(one: &Segment, global: &Global, files: &dyn Files, page: &mut Page) {
    let mut head = Vec::new();
    let mut addresses = Vec::new();
    let words = one.words.iter().flat_map(|word| word.split(','));
    for word in words.filter(|word| !word.is_empty()) {
        match address::read(word, global) {
            Some(address) => addresses.push(address),
            None => head.push(note(&one.at, format!("address {word}: left out"))),
        }
    }
    let written = tls::merged(one.block());
    if addresses.iter().any(|address| address.is_secure) {
        let is_local = addresses.iter().all(|one| one.is_local || !one.is_secure);
        head.extend(tls::lines(written.as_ref(), is_local, global, files));
    }
    let binds = one.block().iter().filter(|line| line.name() == "bind");
    let binds: Vec<_> = binds.flat_map(|line| line.args().to_vec()).collect();
    let binds = if binds.is_empty() { global.bind.clone() } else { binds };
    if !binds.is_empty() {
        head.push(Line::new(["bind"]).and(binds).into());
    }
    let mut builder = Builder::new(one, files);
    builder.block(one.block(), &Spot::default());
    let (body, own) = builder.finish(&one.at);
    let texts: Vec<String> = addresses.into_iter().map(|address| address.text).collect();
    page.sites.push(Site {
        at: one.at.clone(),
        addresses: texts.clone(),
        body: head.iter().cloned().chain(body).collect(),
    });
    for (path, body) in own.into_iter().map(|one| (one.path, one.body)) {
        let addresses = texts.iter().map(|address| format!("{address}{path}")).collect();
        let body = head.iter().cloned().chain(body).collect();
        page.sites.push(Site { at: one.at.clone(), addresses, body });
    }
}

/// Which requests the lines of a block are for.
#[derive(Clone)]
pub(super) struct Spot {
    pub(super) place: Where,
    /// What other blocks have taken from them.
    pub(super) except: Vec<Line>,
    /// Whether their paths were changed before.
    pub(super) is_rewritten: bool,
}

impl Default for Spot {
    fn default() -> Self {
        Self { place: Where::All, except: Vec::new(), is_rewritten: false }
    }
}

impl Spot {
    /// Those of its requests that this is for, too.
    pub(super) fn and(&self, place: Where) -> Self {
        Self { place: self.place.and(place), ..self.clone() }
    }

    /// All conditions.
    pub(super) fn conditions(&self) -> Vec<Line> {
        let mut all = self.place.conditions();
        all.extend(self.except.iter().cloned());
        all
    }
}

/// A block that is a site.
pub(super) struct OwnSite {
    pub(super) path: String,
    pub(super) body: Vec<Item>,
}

/// A line that holds in blocks that are sites, too.
#[derive(Clone)]
pub(super) struct Shared {
    /// The path that it is for.
    pub(super) path: String,
    pub(super) item: Item,
}

impl Shared {
    pub(super) fn whole(item: impl Into<Item>) -> Self {
        Self { path: "/".to_owned(), item: item.into() }
    }

    /// The line, if it names a user.
    pub(super) fn user(&self) -> Option<&Line> {
        match &self.item {
            Item::Line(line) if line.is("basicauth") => Some(line),
            _ => None,
        }
    }

    /// The line in a site with this path; `None`: it is for others.
    pub(super) fn within(&self, base: &str) -> Option<Self> {
        let inner = format!("{base}/");
        let path = match self.path.strip_prefix(base).filter(|rest| rest.starts_with('/')) {
            _ if self.path == "/" => return Some(self.clone()),
            Some(rest) => rest.to_owned(),
            None if inner.starts_with(&self.path) => "/".to_owned(),
            None => return None,
        };
        let item = self.item.clone().moved(&self.path, &path);
        Some(Self { path, item })
    }
}

/// What a site becomes.
pub(super) struct Builder<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) named: Named,
    pub(super) root: Option<String>,
    /// What holds for all requests, also in blocks that are sites.
    pub(super) shared: Vec<Shared>,
    pub(super) index: Option<Line>,
    pub(super) limits: Vec<Line>,
    /// What requests lose, or get, before an upstream sees them.
    pub(super) request_fields: Vec<RequestField>,
    /// Which requests files are sent for; empty: for all.
    pub(super) file_places: Vec<Where>,
    pub(super) sends_all: bool,
    /// Answers by conditions, which the first change of a path would end.
    pub(super) early: Vec<Item>,
    /// Changes of the path, before those that tell requests apart.
    pub(super) rewrites: Vec<Item>,
    pub(super) marks: Vec<Item>,
    /// What none of them is for.
    pub(super) rest: Option<Item>,
    /// The paths to which `marks` lead, before those of the requests.
    pub(super) mark_paths: Vec<String>,
    pub(super) lines: Vec<Item>,
    pub(super) own: Vec<OwnSite>,
    pub(super) answers: Answers,
    pub(super) has_files: bool,
    pub(super) answers_all: bool,
    /// What Caddy 2 does before it asks for blocks, for those that are sites.
    pub(super) before: Vec<Before>,
    /// Whether some line changes paths.
    pub(super) has_rewrites: bool,
    /// Whether requests may come to other paths than they asked for.
    pub(super) has_moves: bool,
    /// The path of the site, as it was asked for.
    pub(super) base: String,
    /// Whether Caddy 2 sees the path without it, too.
    pub(super) is_stripped: bool,
}

/// Directives that Caddy 2 runs before `handle`.
const FIRST: &[&str] = &[
    "basic_auth",
    "basicauth",
    "encode",
    "forward_auth",
    "handle_errors",
    "header",
    "log",
    "redir",
    "request_body",
    "request_header",
];

/// The order of others, which the rest follows.
const NEXT: &[&str] = &["abort", "error", "respond"];

const REWRITES: &[&str] = &["rewrite", "uri", "try_files", "php_fastcgi"];

impl<'a> Builder<'a> {
    pub(super) fn new(one: &Segment, files: &'a dyn Files) -> Self {
        Self {
            files,
            named: Named::new(),
            root: None,
            shared: Vec::new(),
            index: None,
            limits: Vec::new(),
            request_fields: Vec::new(),
            file_places: Vec::new(),
            sends_all: false,
            early: Vec::new(),
            rewrites: Vec::new(),
            marks: Vec::new(),
            rest: None,
            mark_paths: Vec::new(),
            lines: Vec::new(),
            own: Vec::new(),
            answers: Answers::default(),
            has_files: false,
            answers_all: false,
            before: Vec::new(),
            has_moves: has_any(one, &["rewrite", "try_files", "uri"]),
            has_rewrites: has_any(one, REWRITES)
                || one.block().iter().any(|line| line.name().starts_with('@')),
            base: String::new(),
            is_stripped: false,
        }
    }

    /// The lines of a block, for the requests of this spot.
    pub(super) fn block(&mut self, lines: &[Segment], spot: &Spot) {
        let is_rewritten =
            spot.is_rewritten || lines.iter().any(|one| matches!(one.name(), "rewrite" | "uri"));
        let spot = &Spot { is_rewritten, ..spot.clone() };
        for line in lines {
            if let Some(name) = line.name().strip_prefix('@') {
                self.named.insert(name.to_owned(), matcher::define(line));
            }
        }
        lines
            .iter()
            .filter(|line| line.name() == "root")
            .for_each(|root| self.set_root(root, spot));
        // Caddy 2 runs these before its blocks.
        let is_first = |line: &&Segment| FIRST.contains(&line.name()) || guards::is_unknown(line);
        lines.iter().filter(is_first).for_each(|line| self.directive(line, spot));
        lines.iter().for_each(|line| self.note_move(line, spot));
        let is_handle = |line: &&Segment| matches!(line.name(), "handle" | "handle_path");
        self.handles(lines.iter().filter(is_handle).collect(), spot);
        let is_left = |line: &&Segment| !is_handle(line) && !is_first(line);
        let mut left: Vec<_> = lines.iter().filter(is_left).collect();
        let rank = |line: &Segment| NEXT.iter().position(|name| *name == line.name());
        left.sort_by_key(|line| rank(line).unwrap_or(NEXT.len()));
        left.into_iter().for_each(|line| self.directive(line, spot));
    }

    pub(super) fn set_root(&mut self, root: &Segment, spot: &Spot) {
        let dir = root.args().last().map_or("", String::as_str);
        let is_whole = root.args().len() == 1 || root.arg(0) == "*";
        if !is_whole || dir.is_empty() || dir.contains('{') && !dir.contains("{$") {
            let text = format!("{}: the root of a site has no matcher: left out", root.shown());
            self.lines.push(note(&root.at, text));
            // The files of another directory are not sent in their place.
            let place = matcher::of(root, &self.named).map(|(place, _)| place);
            let spot = spot.and(place.unwrap_or(Where::All));
            return self.closed(root, "a site has one directory", &spot);
        }
        let dir = self.files.absolute(dir);
        let dir = match dir.trim_end_matches('/') {
            "" => "/".to_owned(),
            dir => dir.to_owned(),
        };
        match &self.root {
            Some(other) if *other != dir => self.closed(root, "a site has one directory", spot),
            _ => self.root = Some(dir),
        }
    }

    pub(super) fn finish(mut self, at: &Place) -> (Vec<Item>, Vec<OwnSite>) {
        self.end_files(at);
        let mut body = Vec::new();
        match &self.root {
            Some(root) => body.push(Line::new(["root", root]).into()),
            None if self.has_files => body.push(Line::new(["root", "."]).into()),
            None => {}
        }
        if !self.has_files && !self.answers_all {
            let text =
                "no file_server: requests that nothing answers get 404 here, not an empty 200";
            body.push(note(at, text));
            body.retain(|item| matches!(item, Item::Note { .. }));
            body.push(Line::new(["root", "/var/empty"]).into());
        }
        body.extend(self.index.take().map(Item::from));
        let marks = &self.mark_paths;
        let shared = self.shared.drain(..).flat_map(|shared| shared.item.also_below(marks));
        body.extend(shared);
        let mut limits = Line::new(["limits"]);
        self.limits.drain(..).for_each(|line| limits.add(line));
        if limits.has_block() {
            body.push(limits.into());
        }
        body.append(&mut self.early);
        body.append(&mut self.rewrites);
        body.append(&mut self.marks);
        body.extend(self.rest.take());
        body.extend(self.lines.drain(..).flat_map(|line| line.also_below(marks)));
        (body, self.own)
    }

    /// A path for requests with these conditions, which `rewrite` sends there.
    pub(super) fn mark(&mut self, conditions: Vec<Line>) -> String {
        let mark = format!("/@match-{}", self.marks.len() + 1);
        self.marks.push(led(conditions, &format!("{mark}{{path}}")));
        self.mark_paths.push(mark.clone());
        mark
    }
}

/// Sends requests with these conditions to a path.
pub(super) fn led(conditions: Vec<Line>, to: &str) -> Item {
    let mut line = Line::new(["rewrite"]);
    conditions.into_iter().for_each(|condition| line.add(condition));
    line.with(Line::new(["to", to])).into()
}

/// Whether a line or one in its block has one of these names.
pub(super) fn has_any(line: &Segment, names: &[&str]) -> bool {
    names.contains(&line.name()) || line.block().iter().any(|one| has_any(one, names))
}
