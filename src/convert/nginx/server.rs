//! One `server`: a site, and one more for each location that lives by settings of its own.

use std::cmp::Reverse;

use super::address::{self, Defaults};
use super::nested;
use super::place::{self, Action, Kind, Location};
use super::proxy::Route;
use super::redirect::{self, Rules, Whole};
use super::scope::Scope;
use super::settings::{self, Level, SiteFiles};
use super::syntax::Directive;
use super::{fastcgi, logs, proxy, tls, tries};
use crate::convert::Files;
use crate::convert::answers::Answer;
use crate::convert::page::{Item, Line, Page, Place, Site, note};

pub(super) fn translate(
    scope: &Scope<'_>,
    block: &Directive,
    defaults: &mut Defaults,
    files: &dyn Files,
    page: &mut Page,
) {
    let mut notes = Vec::new();
    settings::unknown(scope, Level::Server, &mut notes);
    let addresses = address::of(scope, defaults);
    let locations = place::of(scope, &mut notes);
    for location in &locations {
        settings::unknown(&location.scope, Level::Location, &mut notes);
    }
    let mut head = addresses.lines;
    if addresses.is_secure {
        head.extend(tls::lines(scope, files));
    }
    let root = site_root(scope, &locations, files);
    let mut builder = Builder {
        scope,
        files,
        locations: &locations,
        root: root.as_deref(),
        rules: Rules::default(),
        lines: notes,
        limits: Vec::new(),
        lifetimes: Vec::new(),
        own: Vec::new(),
    };
    let body = builder.site();
    let own = std::mem::take(&mut builder.own);
    for (addresses, bind) in addresses.all {
        let mut head = head.clone();
        head.extend(bind.map(Item::from));
        let site = |at: &Place, addresses: Vec<String>, body: &[Item]| Site {
            at: at.clone(),
            addresses,
            body: head.iter().chain(body).cloned().collect(),
        };
        page.sites.push(site(&block.at, addresses.clone(), &body));
        for OwnSite { path, at, body } in &own {
            let below = addresses.iter().map(|address| format!("{address}{path}")).collect();
            page.sites.push(site(at, below, body));
        }
    }
}

/// The directory of the site: that of the location for all paths, or of the server.
fn site_root(scope: &Scope<'_>, all: &[Location<'_>], files: &dyn Files) -> Option<String> {
    let whole = all.iter().find(|one| one.is_prefix() && one.path == "/" && one.serves_files());
    let own = whole.and_then(|one| one.scope.mine("alias").or(one.scope.mine("root")));
    match (own.or(scope.one("root")), whole) {
        (Some(one), _) => settings::directory(one, files),
        // nginx has a directory of its own for all paths.
        (None, Some(_)) => None,
        (None, None) => {
            let mut all = all.iter().filter(|one| one.kind == Kind::Regex);
            all.find_map(|one| settings::root(&one.scope, files))
        }
    }
}

/// A location that is a site.
pub(super) struct OwnSite {
    pub(super) path: String,
    pub(super) at: Place,
    pub(super) body: Vec<Item>,
}

pub(super) struct Builder<'a, 's> {
    pub(super) scope: &'s Scope<'a>,
    pub(super) files: &'s dyn Files,
    pub(super) locations: &'s [Location<'a>],
    pub(super) root: Option<&'s str>,
    pub(super) rules: Rules,
    pub(super) lines: Vec<Item>,
    pub(super) limits: Vec<Line>,
    pub(super) lifetimes: Vec<Line>,
    pub(super) own: Vec<OwnSite>,
}

impl Builder<'_, '_> {
    fn site(&mut self) -> Vec<Item> {
        let whole = self.scope.mine("return");
        redirect::own(self.scope, &[], &mut self.rules);
        let all = self.locations;
        match whole {
            // Nothing else is asked.
            Some(one) => {
                redirect::returned(one, &[], Some(&Whole("/")), self.scope, &mut self.rules)
            }
            None => {
                let mut ordered: Vec<_> = all.iter().collect();
                let order = |one: &&Location<'_>| (rank(one.kind), Reverse(self.length(one)));
                ordered.sort_by_key(order);
                ordered.into_iter().for_each(|one| self.location(one));
                if !all.iter().any(|one| one.is_prefix() && one.path == "/") {
                    self.files_of_server();
                }
            }
        }
        self.behind_rewrites();
        let has_files = whole.is_none() && self.root.is_some();
        let unlogged = self.unlogged();
        let to = SiteFiles { root: self.root, unlogged: &unlogged, has_files };
        let mut body = settings::lines(self.scope, &to, self.files);
        self.limit(&self.scope.clone(), "");
        self.expire(None);
        body.extend(gathered("limits", std::mem::take(&mut self.limits)));
        body.append(&mut self.rules.take_rewrites());
        body.extend(gathered("expires", std::mem::take(&mut self.lifetimes)));
        body.append(&mut self.rules.answers);
        body.append(&mut self.lines);
        without_files(self.root, &mut body);
        body
    }

    /// Regular expressions in their order, the inner ones first; paths by length.
    fn length(&self, one: &Location<'_>) -> usize {
        match one.kind {
            Kind::Regex => one.around.len(),
            Kind::Named => 0,
            _ => one.path.len(),
        }
    }

    fn location(&mut self, one: &Location<'_>) {
        let conditions = nested::conditions(one, self.locations);
        if one.is_internal() && self.internal(one, &conditions) {
            return;
        }
        if one.kind == Kind::Exact && logs::is_page(self.scope, &one.path) && one.serves_files() {
            return;
        }
        let is_own = self.is_own(one);
        if one.kind == Kind::Named {
            tries::of_named(one, &mut self.rules);
        } else if !is_own {
            redirect::own(&one.scope, &conditions, &mut self.rules);
        }
        // Where directives behind `rewrite` meet its requests.
        let mut met = one.path.clone();
        match one.action {
            _ if is_own => self.own_site(one),
            Action::Return(line) if one.kind == Kind::Named => {
                let path = format!("/{}", one.path);
                let whole = Whole(&path);
                let at = Line::new(["if", "{rewrite_path}", "starts_with", &path]);
                redirect::returned(line, &[at], Some(&whole), &one.scope, &mut self.rules);
            }
            Action::Return(line) => {
                let is_whole = is_whole(one, &conditions);
                let whole = is_whole.then_some(Whole(&one.path));
                redirect::returned(line, &conditions, whole.as_ref(), &one.scope, &mut self.rules);
            }
            Action::Deny => self.refuse(one, &conditions, 403),
            Action::Proxy(pass) => met = self.proxy(one, pass, &conditions),
            Action::Fastcgi(pass) => self.fastcgi(one, pass, &conditions),
            Action::Files => self.files(one, &conditions),
        }
        if one.is_internal() && one.is_prefix() && met != one.path {
            self.lines.push(Line::new(["internal", &met]).into());
        }
        if !matches!(one.action, Action::Return(_) | Action::Deny) && !is_own {
            self.modifiers(one, &met, &conditions);
        }
    }

    /// Answers what a location is for with a status.
    pub(super) fn refuse(&mut self, one: &Location<'_>, conditions: &[Line], code: u16) {
        let answer = |path: &str| Answer::from(code).line(path).into();
        match one.kind {
            Kind::Named => self.lines.push(answer(&format!("/{}", one.path))),
            _ if is_whole(one, conditions) => self.lines.push(answer(&one.path)),
            _ => self.rules.status(conditions, code),
        }
    }

    /// Gives the path that the requests have at the upstream's line.
    fn proxy(&mut self, one: &Location<'_>, pass: &Directive, conditions: &[Line]) -> String {
        // Files that a regular expression takes from the upstream are left where they are.
        let gives_away = one.kind == Kind::Prefix && conditions.iter().skip(1).count() > 0
            || one.kind == Kind::Prefix && one.path == "/" && !conditions.is_empty();
        let has_regex = self
            .locations
            .iter()
            .any(|other| other.kind == Kind::Regex && !matches!(other.action, Action::Proxy(_)));
        let mark = match one.kind {
            Kind::Named => format!("/{}", one.path),
            Kind::Prefix if gives_away && has_regex => self.mark(one, conditions),
            Kind::Prefix | Kind::Strong => String::new(),
            Kind::Exact | Kind::Regex => self.mark(one, conditions),
        };
        let from = if mark.is_empty() { one.path.clone() } else { mark.clone() };
        let location = (!matches!(one.kind, Kind::Named | Kind::Regex)).then_some(&*one.path);
        let route = Route { from: from.clone(), location, mark: &mark, base: "" };
        let line = proxy::rule(pass, &one.scope, &route, self.files);
        self.upstream(line, &from);
        if one.is_prefix() {
            self.slash(one);
        }
        from
    }

    /// A path for requests with these conditions, which `rewrite` sends there.
    fn mark(&mut self, one: &Location<'_>, conditions: &[Line]) -> String {
        let nth = self.locations.iter().position(|other| std::ptr::eq(other.block, one.block));
        let mark = format!("/@location-{}", nth.unwrap_or_default() + 1);
        self.rules.lead(conditions, &format!("{mark}{{path}}"));
        mark
    }

    fn fastcgi(&mut self, one: &Location<'_>, pass: &Directive, conditions: &[Line]) {
        let is_php = one.kind == Kind::Exact && one.path.ends_with(".php")
            || one.kind == Kind::Regex && one.path.contains("php");
        let from = match one.kind {
            Kind::Prefix | Kind::Strong => one.path.clone(),
            _ if is_php => "/".to_owned(),
            _ => {
                let text = format!("{}: `fastcgi` is for a path", one.block.shown());
                self.lines.push(note(&one.block.at, format!("{text}; nobody is let in")));
                return self.refuse(one, conditions, 403);
            }
        };
        let is_usual = [
            "\\.php$",
            "(?i)\\.php$",
            "\\.php(/|$)",
            "\\.php(?:$|/)",
            "[^/]\\.php(/|$)",
            "^(.+\\.php)(.*)$",
            "\\.php(?:/|$)",
            "^.+\\.php$",
            "^(.+\\.php)(/.+)$",
        ];
        if is_php && !is_usual.contains(&&*one.path) {
            let text = format!("{}: here all scripts are run", one.block.shown());
            self.lines.push(note(&one.block.at, text));
        }
        let root = settings::root(&one.scope, self.files);
        let root = root.filter(|root| Some(&**root) != self.root);
        let rule = fastcgi::rule(pass, &one.scope, &from, is_php);
        match rule.map(|line| with_root(line, root).into()) {
            Ok(line) if self.lines.contains(&line) => {}
            Ok(line) => self.lines.push(line),
            Err(note) => {
                // Nor are the scripts sent as files.
                self.lines.push(note);
                self.refuse(one, conditions, 403);
            }
        }
    }

    /// Paths whose requests are not logged.
    fn unlogged(&self) -> Vec<String> {
        let off = |one: &&Location<'_>| {
            one.scope.mine("access_log").is_some_and(|log| log.arg(0) == "off")
        };
        let paths = self
            .locations
            .iter()
            .filter(off)
            .filter(|one| one.is_prefix() && one.path != "/" || one.kind == Kind::Exact);
        paths.map(|one| one.path.clone()).collect()
    }
}

/// Without a directory a site would send the files of that in which the server was started.
pub(super) fn without_files(root: Option<&str>, body: &mut Vec<Item>) {
    let answers_all = |item: &Item| match item {
        Item::Line(line) => {
            matches!(line.words(), [name, path, ..] if name == "proxy" && path == "/")
        }
        Item::Note { .. } => false,
    };
    if root.is_none() && !body.iter().any(answers_all) {
        body.insert(0, Line::new(["root", "/var/empty"]).into());
    }
}

/// A rule for scripts that are not in the directory of the site.
fn with_root(line: Line, root: Option<String>) -> Line {
    match root {
        Some(root) => line.with(Line::new(["root", &root])),
        None => line,
    }
}

/// Whether a location is for all of what its path begins.
pub(super) fn is_whole(one: &Location<'_>, conditions: &[Line]) -> bool {
    one.is_prefix() && conditions.len() <= usize::from(one.path != "/")
}

fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Exact => 0,
        Kind::Strong => 1,
        Kind::Regex => 2,
        Kind::Prefix => 3,
        Kind::Named => 4,
    }
}

/// Lines in the block of one directive.
pub(super) fn gathered(name: &str, lines: Vec<Line>) -> Option<Item> {
    let mut all = Line::new([name]);
    lines.into_iter().for_each(|line| all.add(line));
    all.has_block().then(|| all.into())
}
